"""A damaged package is refused with a reason, wherever the damage is, and nothing is changed by it."""

from __future__ import annotations

import hashlib
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from guotu.model.errors import CorruptObject, GuotuError, UntrustedKey, VersionRefused
from sync.manifest import Manifest
from sync.package.index import INDEX, SIGNATURE, Entry, Slice, in_order
from sync.package.reader import PackageReader, open_package
from sync.package.writer import PackageWriter
from sync.signed import manifest_key, sign_manifest, signature_key
from sync.trust import trust
from tests.support.package_parts import Author, Site, edited

FIRST = {number: f"村 {number}" for number in range(30)}
SECOND = edited(FIRST, {3: "改", 5: None})


@pytest.fixture
async def author(tmp_path: Path) -> Author:
    author = Author(await Site(tmp_path / "sichuan", "510000").start())
    await author.publish(FIRST)
    await author.publish(SECOND)
    return author


@pytest.fixture
async def nation(tmp_path: Path, author: Author) -> Site:
    site = await Site(tmp_path / "nation", "100000").start()
    await trust(site.objects, "510000", author.site.key.public_bytes)
    return site


@pytest.fixture
async def whole(author: Author, tmp_path: Path) -> Path:
    await author.site.exporter.export([author.dataset], {author.dataset: 0}, tmp_path / "a.guotu")
    return tmp_path / "a.guotu"


@pytest.fixture
def data(whole: Path) -> bytes:
    return whole.read_bytes()


async def refusal(site: Site, path: Path) -> GuotuError:
    """Import a package that must not come in; nothing may change."""
    before = await site.everything()
    with pytest.raises(GuotuError) as caught:
        await site.importer.take(path, {})
    assert await site.everything() == before
    assert site.held == []
    return caught.value


async def test_every_truncation_is_refused(data: bytes, nation: Site, tmp_path: Path) -> None:
    draw = random.Random(1)
    lengths = {0, 1, len(data) - 1, len(data) - 22, *draw.sample(range(len(data)), 80)}
    for length in sorted(lengths):
        (tmp_path / "cut").write_bytes(data[:length])
        error = await refusal(nation, tmp_path / "cut")
        assert isinstance(error, CorruptObject), length
        assert "cut off" in str(error), length


async def test_every_flipped_bit_is_refused(data: bytes, nation: Site, tmp_path: Path) -> None:
    draw, damaged = random.Random(2), bytearray(data)
    places = {0, 14, 18, len(data) - 1, *range(0, len(data), 53), *draw.sample(range(len(data)), 150)}
    for place in sorted(places):
        bit = 1 << draw.randrange(8)
        damaged[place] ^= bit
        (tmp_path / "flipped").write_bytes(damaged)
        damaged[place] ^= bit
        assert isinstance(await refusal(nation, tmp_path / "flipped"), CorruptObject), place
    (tmp_path / "flipped").write_bytes(damaged)
    assert (await nation.importer.take(tmp_path / "flipped", {})).taken == 2


async def test_bytes_that_do_not_belong_are_refused(data: bytes, nation: Site, tmp_path: Path) -> None:
    for changed in (data + b"\0", b"\0" + data, data + data, data[:1000] + b"x" + data[1000:]):
        (tmp_path / "more").write_bytes(changed)
        assert isinstance(await refusal(nation, tmp_path / "more"), CorruptObject)


async def test_damage_has_a_name(whole: Path, data: bytes, nation: Site, tmp_path: Path) -> None:
    with open_package(whole) as reader:
        (name,) = [entry.name for entry in reader.index.entries if entry.name.startswith("definitions/")]
    place = data.index(b"owner codes")
    (tmp_path / "bad").write_bytes(data[:place] + b"OWNER" + data[place + 5 :])
    assert name in str(await refusal(nation, tmp_path / "bad"))
    (tmp_path / "bad").write_bytes(data.replace(b'"exporter":"510000"', b'"exporter":"520000"', 1))
    assert f"{INDEX} has another CRC-32" in str(await refusal(nation, tmp_path / "bad"))
    (tmp_path / "bad").write_bytes(data[:-100])
    assert f"{len(data) - 100} of {len(data)} bytes" in str(await refusal(nation, tmp_path / "bad"))


async def test_a_file_that_changes_while_it_is_read(whole: Path, nation: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry is checked again when it is taken."""
    verify = PackageReader.verify

    def verify_then_change(reader: PackageReader, advance: object) -> None:
        verify(reader, advance)  # type: ignore[arg-type]
        data = bytearray(whole.read_bytes())
        data[data.index(b"PAR1") + 20] ^= 1
        with whole.open("r+b") as file:
            file.write(data)

    monkeypatch.setattr(PackageReader, "verify", verify_then_change)
    with pytest.raises(CorruptObject, match="another hash"):
        await nation.importer.take(whole, {})
    assert await nation.objects.keys("versions/") == []
    assert nation.held == []


class Forger:
    """Makes packages that are whole and signed, and say what a good exporter would not."""

    def __init__(self, author: Author, whole: Path) -> None:
        self.author = author
        with open_package(whole) as reader:
            self.index = reader.index
            self.documents = {entry.name: reader.read(entry) for entry in reader.index.entries}

    def manifest(self, number: int, /, **changes: object) -> Manifest:
        return replace(self.author.chain[number - 1].manifest, **changes)  # type: ignore[arg-type]

    def without(self, start: str) -> Forger:
        """Leave entries out."""
        kept = tuple(entry for entry in self.index.entries if not entry.name.startswith(start))
        self.index = replace(self.index, entries=kept)
        return self

    def with_manifests(self, *manifests: Manifest, since: int = 0) -> Forger:
        """Hold these versions instead, signed by the publisher."""
        names = []
        for manifest in manifests:
            signed = sign_manifest(manifest, self.author.site.key)
            names.append(signed.name)
            for name, data in (
                (manifest_key(signed.name), signed.data),
                (signature_key(signed.name), signed.signature),
            ):
                self.put(name, data)
        part = Slice(self.author.dataset, since, manifests[-1].version, tuple(names))
        self.index = replace(self.index, datasets=(part,))
        return self

    def put(self, name: str, data: bytes) -> Forger:
        """Put an entry in, or in the place of another."""
        others = [entry for entry in self.index.entries if entry.name != name]
        entries = in_order([*others, Entry(name, hashlib.sha256(data).hexdigest(), len(data))])
        self.index = replace(self.index, entries=entries)
        self.documents[name] = data
        return self

    def write(self, path: Path) -> Path:
        with path.open("wb") as file:
            writer = PackageWriter(file)
            data = self.index.to_bytes()
            writer.put(INDEX, data)
            writer.put(SIGNATURE, self.author.site.key.sign(data))
            for entry in self.index.entries:
                writer.put(entry.name, self.documents[entry.name])
            writer.finish()
        return path


@pytest.fixture
def forger(author: Author, whole: Path) -> Forger:
    return Forger(author, whole)


async def test_the_forger_can_make_good_ones(forger: Forger, nation: Site, tmp_path: Path) -> None:
    assert (await nation.importer.take(forger.write(tmp_path / "forged"), {})).taken == 2


@pytest.mark.parametrize(
    ("start", "message"),
    [("manifests/", "lacks"), ("definitions/", "lacks"), ("objects/", "missing"), ("keys/", "")],
)
async def test_what_is_missing_is_named(forger: Forger, nation: Site, tmp_path: Path, start: str, message: str) -> None:
    path = forger.without(start).write(tmp_path / "forged")
    if not message:
        assert (await nation.importer.take(path, {})).taken == 2
        return
    error = await refusal(nation, path)
    assert isinstance(error, CorruptObject)
    assert message in str(error)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 3}, "calls it 510000/qsdm@2"),
        ({"dataset": "510000/other", "collection": "other"}, "calls it"),
        ({"parent": "ab" * 32}, "its parent is"),
        ({"publisher": "520000"}, "not the owner"),
        ({"series": 2}, "a new series or definition begins without a base"),
        ({"definition": "ab" * 32}, "a new series or definition begins without a base"),
    ],
)
async def test_chains_that_do_not_hold(
    forger: Forger, nation: Site, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    manifests = forger.manifest(1), forger.manifest(2, **changes)
    path = forger.with_manifests(*manifests).write(tmp_path / "forged")
    # The index may only speak of numbers that follow each other.
    forger.index = replace(forger.index, datasets=(replace(forger.index.datasets[0], until=2),))
    error = await refusal(nation, forger.write(path))
    assert isinstance(error, VersionRefused)
    assert message in str(error)


async def test_a_beginning_without_a_base(forger: Forger, nation: Site, tmp_path: Path) -> None:
    path = forger.with_manifests(forger.manifest(2)).write(tmp_path / "forged")
    assert "no base" in str(await refusal(nation, path))


async def test_objects_at_other_keys(forger: Forger, nation: Site, tmp_path: Path) -> None:
    for key in ("../../etc/passwd", "heads/510000/qsdm.json", "", f"objects/sha256/ab/{'ab' * 32}.parquet"):
        (item,) = forger.manifest(1).objects
        first = forger.manifest(1, objects=(replace(item, key=key),))
        path = forger.with_manifests(first).write(tmp_path / "forged")
        assert isinstance(await refusal(nation, path), VersionRefused)


async def test_objects_of_another_size(forger: Forger, nation: Site, tmp_path: Path) -> None:
    (item,) = forger.manifest(1).objects
    first = forger.manifest(1, objects=(replace(item, size_bytes=item.size_bytes + 1),))
    path = forger.with_manifests(first).write(tmp_path / "forged")
    assert "not the base object" in str(await refusal(nation, path))


async def test_a_definition_under_a_wrong_name(forger: Forger, nation: Site, tmp_path: Path) -> None:
    (name,) = [entry.name for entry in forger.index.entries if entry.name.startswith("definitions/")]
    for data in (b"{}", b"nothing", forger.documents[name].replace(b'"MC"', b'"MX"')):
        assert isinstance(await refusal(nation, forger.put(name, data).write(tmp_path / "forged")), CorruptObject)


async def test_a_manifest_that_its_publisher_did_not_sign(forger: Forger, nation: Site, tmp_path: Path) -> None:
    name = signature_key(forger.index.datasets[0].manifests[1])
    other = forger.documents[signature_key(forger.index.datasets[0].manifests[0])]
    error = await refusal(nation, forger.put(name, other).write(tmp_path / "forged"))
    assert isinstance(error, VersionRefused)
    assert (error.facts["version"], "signature" in str(error)) == (2, True)


async def test_an_exporter_that_is_not_known(forger: Forger, nation: Site, tmp_path: Path) -> None:
    stranger = await Site(tmp_path / "stranger", "520000").start()
    forger.index = replace(forger.index, exporter="520000")
    assert "not signed by 520000" in str(await refusal(nation, forger.write(tmp_path / "forged")))
    forger.author.site.key = stranger.key
    assert "not signed by 520000" in str(await refusal(nation, forger.write(tmp_path / "forged")))
    key = stranger.key.public_bytes
    forger.put(f"keys/520000/{hashlib.sha256(key).hexdigest()}.pub", key)
    assert isinstance(await refusal(nation, forger.write(tmp_path / "forged")), UntrustedKey)


async def test_sizes_beyond_the_file_are_refused_before_anything_is_read(
    forger: Forger, nation: Site, tmp_path: Path
) -> None:
    """A bomb: an index that promises terabytes in a small file."""
    bombs = tuple(
        Entry(f"objects/sha256/{name[:2]}/{name}.parquet", name, 4 << 30) for name in (f"{n:064x}" for n in range(500))
    )
    forger.index = replace(forger.index, entries=in_order([*forger.index.entries, *bombs]))
    data = forger.index.to_bytes()
    with (tmp_path / "bomb").open("wb") as file:
        writer = PackageWriter(file)
        writer.put(INDEX, data)
        writer.put(SIGNATURE, forger.author.site.key.sign(data))
        writer.finish()
    assert "cut off" in str(await refusal(nation, tmp_path / "bomb"))


async def test_an_index_without_end_is_not_read(data: bytes, nation: Site, tmp_path: Path) -> None:
    size = data.index(b"\1\0\x10\0", 30) + 4
    (tmp_path / "endless").write_bytes(data[:size] + (1 << 40).to_bytes(8, "little") + data[size + 8 :])
    assert "at most" in str(await refusal(nation, tmp_path / "endless"))


async def test_a_disk_that_cannot_be_read(whole: Path, nation: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pread

    def scratched(descriptor: int, size: int, place: int) -> bytes:
        if place > 2000:
            raise OSError(5, "Input/output error")
        return real(descriptor, size, place)

    monkeypatch.setattr(os, "pread", scratched)
    error = await refusal(nation, whole)
    assert isinstance(error, CorruptObject)
    assert "Input/output error" in str(error)
