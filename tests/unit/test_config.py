"""Configuration: every option documented, every fault found at once, what is written can be read."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest

from guotu.model.errors import DirectoryInUse, InvalidConfig
from node.config import NodeConfig, config_from, config_toml, load_config
from node.config.option import doc_of
from node.config.reference import reference
from node.data_directory import DataDirectory
from node.stores.opening import make_store, postgis_options
from node.stores.postgis.store import PostgisStore

BASE = Path("/srv/guotu")
ROOT = Path(__file__).parents[2]


def read(**sections: Any) -> NodeConfig:
    return config_from({"node": {"id": "510000"}, **sections}, BASE, "test.toml")


def faults_of(**sections: Any) -> str:
    with pytest.raises(InvalidConfig) as caught:
        read(**sections)
    return str(caught.value.facts["detail"])


def every_option() -> list[tuple[str, dataclasses.Field[Any]]]:
    sections = typing.get_type_hints(NodeConfig)
    return [(name, item) for name, kind in sections.items() for item in dataclasses.fields(kind)]


def test_an_id_is_all_that_a_node_needs() -> None:
    config = read()
    assert config.node.id == "510000"
    assert config.node.data_dir == BASE / "guotu-data"
    assert (config.grpc.listen, config.metrics.listen) == ("127.0.0.1:7083", "127.0.0.1:9083")
    assert config.registry.endpoints == ("127.0.0.1:2379",)
    assert config.registry.lease_ttl_s == 5
    assert config.versions.keep == 3


def test_the_written_file_says_everything_and_reads_back_as_the_defaults() -> None:
    text = config_toml({"node.id": "510000"})
    raw = tomllib.loads(text)
    for section, option in every_option():
        assert option.name in raw[section]
        assert doc_of(option).zh in text
        assert doc_of(option).en in text
    assert config_from(raw, BASE, "written") == read()


def test_what_is_given_to_the_writer_is_read_back() -> None:
    given = {
        "node.id": "510100-ch",
        "node.name": '成都"测绘"',
        "registry.endpoints": ("a:1", "b:2"),
        "store.threads": 3,
    }
    config = config_from(tomllib.loads(config_toml(given)), BASE, "written")
    assert (config.node.id, config.node.name) == ("510100-ch", '成都"测绘"')
    assert config.registry.endpoints == ("a:1", "b:2")
    assert config.store.threads == 3


def test_all_faults_are_told_at_once() -> None:
    detail = faults_of(
        node={"id": "51", "nmae": "x"},
        grcp={},
        grpc={"listen": "here", "max_concurrent_questions": 0, "allow_plaintext": 1},
        registry={"endpoints": "a:1", "wait_s": float("nan"), "lease_ttl_s": True},
        log={"level": "loud"},
        tls="none",
    )
    for where in (
        "node.id", "node.nmae", "grcp", "grpc.listen", "grpc.max_concurrent_questions", "grpc.allow_plaintext",
        "registry.endpoints", "registry.wait_s", "registry.lease_ttl_s", "log.level", "tls",
    ):  # fmt: skip
        assert f"{where}: " in detail
    assert "did you mean node.name?" in detail
    assert "did you mean grpc?" in detail


def test_a_node_without_an_id_is_refused() -> None:
    with pytest.raises(InvalidConfig, match=r"node\.id: 必须给出 must be given"):
        config_from({}, BASE, "empty.toml")


@pytest.mark.parametrize("listen", ["0.0.0.0:7083", "10.1.2.3:7083", "[::]:7083", "node.example:7083"])
def test_beyond_loopback_needs_tls_or_an_explicit_word(listen: str) -> None:
    assert "allow_plaintext = true" in faults_of(grpc={"listen": listen, "advertise": "10.1.2.3:7083"})
    allowed = {"listen": listen, "advertise": "10.1.2.3:7083", "allow_plaintext": True}
    assert read(grpc=allowed).grpc.listen == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:7083", "127.9.9.9:0", "localhost:7083", "[::1]:7083"])
def test_loopback_needs_nothing(listen: str) -> None:
    assert read(grpc={"listen": listen}).grpc.listen == listen


def test_a_wildcard_cannot_be_advertised() -> None:
    detail = faults_of(grpc={"listen": "0.0.0.0:7083", "allow_plaintext": True})
    assert "grpc.advertise" in detail


def test_tls_files_go_together_and_must_be_there(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text("")
    assert "missing: key_file, ca_file" in faults_of(tls={"cert_file": str(cert)})
    both = {"cert_file": str(cert), "key_file": str(tmp_path / "no.pem"), "ca_file": str(cert)}
    assert "tls.key_file: 没有文件 no such file" in faults_of(tls=both)
    whole = {"cert_file": str(cert), "key_file": str(cert), "ca_file": str(cert)}
    config = read(tls=whole, grpc={"listen": "10.1.2.3:7083"})
    assert config.tls.ca_file == cert


def s3(tmp_path: Path, **others: Any) -> dict[str, Any]:
    file = tmp_path / "s3.toml"
    file.write_text('access_key = "a"\nsecret_key = "b"\n', encoding="utf-8")
    file.chmod(0o600)
    given = {"kind": "s3", "endpoint": "s3.example:9000", "bucket": "guotu", "credentials_file": str(file)}
    return {**given, **others}


def test_objects_may_be_kept_in_s3(tmp_path: Path) -> None:
    objects = read(objects=s3(tmp_path, prefix="mesh/510000", secure=False)).objects
    assert (objects.endpoint, objects.bucket, objects.prefix) == ("s3.example:9000", "guotu", "mesh/510000")
    assert read().objects.kind == "local"


def test_s3_needs_an_address_a_bucket_and_credentials(tmp_path: Path) -> None:
    assert "needs: endpoint, bucket, credentials_file" in faults_of(objects={"kind": "s3"})
    assert "needs: bucket" in faults_of(objects=s3(tmp_path, bucket=""))
    whole = s3(tmp_path)
    (tmp_path / "s3.toml").chmod(0o644)
    assert "objects.credentials_file: " in faults_of(objects=whole)
    missing = faults_of(objects={**whole, "credentials_file": str(tmp_path / "none.toml")})
    assert "cannot be read" in missing


@pytest.mark.parametrize(
    ("option", "value"),
    [("bucket", "A"), ("bucket", "a..b"), ("bucket", "-abc"), ("prefix", "/a"), ("prefix", "a/"), ("prefix", "a b"),
     ("endpoint", "https://s3.example"), ("cache_mib", 1), ("kind", "ftp")],
)  # fmt: skip
def test_names_in_s3_are_checked(tmp_path: Path, option: str, value: object) -> None:
    assert f"objects.{option}: " in faults_of(objects=s3(tmp_path, **{option: value}))


URL = "postgresql://guotu:hush-hush@db.example:5432/land"


def test_a_url_is_all_that_a_postgis_store_needs(tmp_path: Path) -> None:
    assert read().store.kind == read(store="duckdb").store.kind == "duckdb"
    for given in (URL, {"kind": "postgis", "url": URL}):
        section = read(store=given).store
        assert (section.kind, section.url) == ("postgis", URL)
        assert make_store(section, tmp_path / "store.duckdb").__class__ is PostgisStore
        assert "hush" not in repr(section) + repr(postgis_options(section))


def test_the_url_of_a_store_may_come_from_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "store.url"
    file.write_text(f"{URL}\n", encoding="utf-8")
    given = {"kind": "postgis", "url_file": str(file)}
    assert "chmod 600" in faults_of(store=given)
    file.chmod(0o600)
    assert postgis_options(read(store=given).store).url == URL
    file.write_text("mysql://hush-hush\n", encoding="utf-8")
    assert "must be postgresql://" in faults_of(store=given)
    file.write_text(f"{URL} {URL}", encoding="utf-8")
    assert "one line" in faults_of(store=given)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"kind": "postgis"}, "needs one of url and url_file"),
        ({"kind": "postgis", "url": URL, "url_file": "/x"}, "needs one of url and url_file"),
        ({"url": URL}, "store.url: 只用于 is for kind"),
        ({"kind": "postgis", "url": "mysql://hush-hush"}, "must be postgresql://"),
        ({"kind": "postgis", "url": ["hush-hush"]}, "*** 应为 must be"),
        ("mysql://hush-hush", "must be postgresql://"),
        ({"kind": "oracle"}, "duckdb | postgis"),
    ],
)
def test_faults_of_a_store_never_show_its_url(given: object, fault: str) -> None:
    found = faults_of(store=given)
    assert fault in found
    assert "hush" not in found


@pytest.mark.parametrize("hours", ["", "20:00-07:00", "00:00-06:30, 12:00-13:00"])
def test_hours_of_replication(hours: str) -> None:
    assert read(replication={"hours": hours}).replication.hours == hours


@pytest.mark.parametrize(
    "hours", ["always", "20-07", "20:00", "24:00-07:00", "20:00-07:60", "07:00-07:00", "1:00-2:00", ","]
)
def test_hours_that_cannot_be_meant_are_refused(hours: str) -> None:
    assert "replication.hours: " in faults_of(replication={"hours": hours})


def test_keep_zero_keeps_all() -> None:
    assert read(versions={"keep": 0}).versions.keep == 0
    assert "versions.keep" in faults_of(versions={"keep": -1})


def test_a_socket_path_that_is_too_long_is_found_before_it_is_bound() -> None:
    assert "node.data_dir" in faults_of(node={"id": "510000", "data_dir": "d" * 90})
    read(node={"id": "510000", "data_dir": "d" * 80})


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    file = tmp_path / "guotu.toml"
    file.write_text('[node]\nid = "510000"\ndata_dir = "here"\n', encoding="utf-8")
    assert load_config(file).node.data_dir == tmp_path / "here"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"[node"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "guotu.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidConfig, match=r"guotu\.toml"):
        load_config(file)


def test_the_reference_is_that_of_the_code() -> None:
    written = (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8")
    assert written == reference(), "python -m node.config.reference > docs/reference/configuration.md"


def test_a_data_directory_is_private_and_keeps_its_instance(tmp_path: Path) -> None:
    home = DataDirectory(tmp_path / "a" / "b")
    home.create()
    instance = home.instance_id()
    assert len(bytes.fromhex(instance)) == 16
    assert home.root.stat().st_mode & 0o777 == 0o700
    home.create()
    assert home.instance_id() == instance
    assert list(home.scratch.iterdir()) == []


def test_a_data_directory_is_for_one_process(tmp_path: Path) -> None:
    home = DataDirectory(tmp_path)
    home.create()
    hold = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from node.data_directory import DataDirectory
from node.stores.opening import make_store, postgis_options
from node.stores.postgis.store import PostgisStore
with DataDirectory(Path({str(tmp_path)!r})).hold():
    print("held", flush=True)
    sys.stdin.read()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(DirectoryInUse), home.hold():
        pass
    other.kill()
    other.wait()
    with home.hold():
        pass


def test_a_node_may_stand_under_others_and_behind_one() -> None:
    section = read(node={"id": "510100", "reached_through": "510000", "also_under": ["510000-ch", "100000-ch"]}).node
    assert (section.reached_through, section.also_under) == ("510000", ("510000-ch", "100000-ch"))
    assert read().node.reached_through == ""
    assert read().federation.bypass
    assert not read(federation={"bypass": False}).federation.bypass


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"reached_through": "510104"}, ["node.reached_through: 510104 不是 510100 的上级"]),
        ({"reached_through": "510100"}, ["is not above 510100"]),
        ({"also_under": ["520000", "510100-ch"]}, ["520000 不是", "510100-ch 不是"]),
        ({"also_under": ["510000-ch", "510000-ch"]}, ["重复 given twice: 510000-ch"]),
        ({"also_under": ["51"]}, ["must be six digits"]),
        ({"reached_through": "五一"}, ["must be six digits"]),
        ({"also_under": [f"510000-{letter}" for letter in "abcdefghi"]}, ["9 项，至多 entries, at most 8"]),
        ({"reached_through": "520000", "also_under": ["520000-ch"]}, ["reached_through", "also_under"]),
    ],
)
def test_who_does_not_stand_above_is_a_fault(given: dict[str, object], faults: list[str]) -> None:
    with pytest.raises(InvalidConfig) as refusal:
        read(node={"id": "510100", **given})
    assert all(fault in str(refusal.value) for fault in faults)
