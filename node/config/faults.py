"""Faults between options, which no option shows alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from guotu.model.division import stands_above
from node.config.address import is_loopback, is_wildcard
from node.config.credentials import credentials_fault, url_file_fault
from node.config.mesh_sections import NodeSection
from node.config.sections import NodeConfig, RegistrySection, StoreSection, TlsSection
from node.config.tracing_section import endpoint_address
from node.config.version_sections import ObjectsSection
from node.data_directory import DataDirectory

MAX_SOCKET_PATH_BYTES = 107
"""Longest path of a unix socket on Linux (sun_path, unix(7))."""


def faults_between(config: NodeConfig) -> Iterator[str]:
    """Yield what does not fit together, in both languages, each with its remedy."""
    yield from _place_faults(config.node)
    yield from _tls_faults("tls", config.tls)
    yield from _tls_faults("registry", config.registry)
    yield from _exposure_faults(config)
    yield from _objects_faults(config.objects)
    yield from _store_faults(config.store)
    yield from _tracing_faults(config)
    socket = DataDirectory(config.node.data_dir).admin_socket
    if len(os.fsencode(socket)) > MAX_SOCKET_PATH_BYTES:
        yield (
            f"node.data_dir: 路径过长，{socket} 超过套接字上限 {MAX_SOCKET_PATH_BYTES} 字节，请缩短 "
            f"too long: the socket's path may have {MAX_SOCKET_PATH_BYTES} bytes, shorten it"
        )


def _place_faults(node: NodeSection) -> Iterator[str]:
    """Yield what does not stand above the node."""
    given = [("reached_through", node.reached_through), *(("also_under", other) for other in node.also_under)]
    for name, other in given:
        if other and not stands_above(other, node.id):
            yield (
                f"node.{name}: {other} 不是 {node.id} 的上级：须是上级区划的节点，或本区划的主节点 "
                f"is not above {node.id}: it must be of a division above, or the main node of the same division"
            )
    twice = [other for other in dict.fromkeys(node.also_under) if node.also_under.count(other) > 1]
    if twice:
        yield f"node.also_under: 重复 given twice: {', '.join(twice)}"


def _tls_faults(name: str, files: TlsSection | RegistrySection) -> Iterator[str]:
    given: dict[str, Path | None] = {
        "cert_file": files.cert_file, "key_file": files.key_file, "ca_file": files.ca_file,
    }  # fmt: skip
    missing = [option for option, path in given.items() if path is None]
    if 0 < len(missing) < len(given):
        yield f"{name}: 三个文件须同时给出，缺 all three files go together, missing: {', '.join(missing)}"
    for option, path in given.items():
        if path is not None and not path.is_file():
            yield f"{name}.{option}: 没有文件 no such file: {path}"


def _exposure_faults(config: NodeConfig) -> Iterator[str]:
    grpc = config.grpc
    if not is_loopback(grpc.listen) and config.tls.cert_file is None and not grpc.allow_plaintext:
        yield (
            f"grpc.listen: {grpc.listen} 可从其他机器访问而未加密：请配置 [tls]，或明示 allow_plaintext = true "
            "can be reached from other machines without encryption: set [tls], or allow_plaintext = true"
        )
    if is_wildcard(grpc.listen) and not grpc.advertise:
        yield (
            f"grpc.advertise: listen 为 {grpc.listen} 时须给出其他节点可访问的地址 "
            f"must be given where listen is {grpc.listen}: the address that other nodes reach"
        )


def _tracing_faults(config: NodeConfig) -> Iterator[str]:
    tracing = config.tracing
    plain = tracing.endpoint.startswith("http://") and not is_loopback(endpoint_address(tracing.endpoint))
    if tracing.exporter == "otlp" and plain and not config.grpc.allow_plaintext:
        yield (
            f"tracing.endpoint: {tracing.endpoint} 未加密：请用 https，或明示 grpc.allow_plaintext = true "
            "is not encrypted: use https, or grpc.allow_plaintext = true"
        )


def _store_faults(store: StoreSection) -> Iterator[str]:
    given = [name for name, value in (("url", store.url), ("url_file", store.url_file)) if value]
    if store.kind == "postgis" and len(given) != 1:
        yield 'store: kind = "postgis" 时 url 与 url_file 须给出其一 needs one of url and url_file'
    if store.kind != "postgis" and given:
        yield f'store.{given[0]}: 只用于 is for kind = "postgis"'
    fault = url_file_fault(store.url_file) if store.url_file is not None else ""
    if fault:
        yield f"store.url_file: {fault}"


def _objects_faults(objects: ObjectsSection) -> Iterator[str]:
    if objects.kind != "s3":
        return
    needed: dict[str, object] = {
        "endpoint": objects.endpoint, "bucket": objects.bucket, "credentials_file": objects.credentials_file,
    }  # fmt: skip
    missing = [option for option, value in needed.items() if not value]
    if missing:
        yield f'objects: kind = "s3" 时须给出 needs: {", ".join(missing)}'
    fault = credentials_fault(objects.credentials_file) if objects.credentials_file is not None else ""
    if fault:
        yield f"objects.credentials_file: {fault}"
