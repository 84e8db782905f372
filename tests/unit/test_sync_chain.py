from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from guotu.model.errors import CorruptObject, VersionRefused
from sync.chain import chain_to_base, check_link
from sync.manifest import DELTA, Manifest
from sync.signed import manifest_key, put_manifest, sign_manifest, signature_key
from tests.support.histories import Layer, publish_layer
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET

FIRST: Layer = {f"k{number:02d}": ("水田", number) for number in range(40)}


@pytest.fixture
async def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Versions 1 to 4, of which only the first is a base."""
    monkeypatch.setattr("sync.bases.MOST_DELTA_SHARE", 99)
    made = Parts(tmp_path)
    for number in range(1, 5):
        await publish_layer(made, tmp_path, {**FIRST, "k00": (f"第{number}版", 0)}, f"w-{number}")
    return made


async def names(parts: Parts) -> list[str]:
    return [(await parts.versions.read_manifest(DATASET, version)).name for version in range(1, 5)]


async def test_from_the_base_up(parts: Parts) -> None:
    chain = names_of = await names(parts)
    assert [item.name for item in await chain_to_base(parts.objects, chain[3])] == names_of
    assert [item.manifest.version for item in await chain_to_base(parts.objects, chain[1])] == [1, 2]
    assert [item.manifest.version for item in await chain_to_base(parts.objects, chain[0])] == [1]


async def test_a_missing_or_damaged_manifest(parts: Parts) -> None:
    chain = await names(parts)
    path = await parts.objects.local_path(manifest_key(chain[1]))
    data = path.read_bytes()
    path.write_bytes(data.replace("变更".encode(), "变化".encode()))
    with pytest.raises(CorruptObject, match="another hash"):
        await chain_to_base(parts.objects, chain[3])
    path.unlink()
    with pytest.raises(CorruptObject, match=f"manifest {chain[1]} is corrupt: missing"):
        await chain_to_base(parts.objects, chain[3])
    path.write_bytes(data)
    (await parts.objects.local_path(signature_key(chain[1]))).unlink()
    with pytest.raises(CorruptObject, match="missing"):
        await chain_to_base(parts.objects, chain[3])


Change = Callable[[Manifest], Manifest]
FAULTS: dict[str, tuple[Change, str]] = {
    "dataset": (lambda item: replace(item, dataset="510100/dltb"), "follows a version of 510000/dltb"),
    "version": (lambda item: replace(item, version=item.version + 1), "follows version 3"),
    "earlier version": (lambda item: replace(item, version=item.version - 1), "follows version 3"),
    "parent": (lambda item: replace(item, parent="0" * 64), "its parent is 0000"),
    "series skipped": (lambda item: replace(_base(item), series=9), "follows series 1"),
    "series without base": (lambda item: replace(item, series=2, objects=()), "begins without a base"),
    "definition without base": (lambda item: replace(item, definition="1" * 64, objects=()), "begins without a base"),
    "delta between definitions": (lambda item: replace(_base(item), definition="1" * 64), "between two definitions"),
    "no delta": (lambda item: replace(item, objects=()), "no delta from the version before"),
}


def _base(item: Manifest) -> Manifest:
    return replace(item, base=True, objects=(*item.objects, replace(item.objects[0], kind="base", rows=item.rows)))


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_has_its_error(parts: Parts, fault: str) -> None:
    chain = await chain_to_base(parts.objects, (await names(parts))[3])
    change, text = FAULTS[fault]
    changed = change(chain[3].manifest)
    with pytest.raises(VersionRefused, match=text) as caught:
        check_link(chain[2], changed)
    assert caught.value.facts["version"] == changed.version


async def test_a_fault_in_the_chain_is_found(parts: Parts) -> None:
    chain = await chain_to_base(parts.objects, (await names(parts))[3])
    wrong = sign_manifest(replace(chain[2].manifest, version=7), parts.key)
    await put_manifest(parts.objects, wrong)
    with pytest.raises(VersionRefused, match="follows version 2"):
        await chain_to_base(parts.objects, wrong.name)


async def test_a_new_series_follows_with_a_base(parts: Parts) -> None:
    chain = await chain_to_base(parts.objects, (await names(parts))[3])
    bases = tuple(item for item in _base(chain[3].manifest).objects if item.kind != DELTA)
    check_link(chain[2], replace(chain[3].manifest, series=2, base=True, objects=bases))
