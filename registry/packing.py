"""Dataset records in a few hundred bytes each, as the directory keeps them in memory and in its file.

A record of DatasetRecord's own shape takes some two kilobytes of objects; a mesh has 160,000 of them, of which a node
looks at a few thousand. Layout: `_HEAD`, then manifest, digest (as bytes where they are hex), where the owner also
stands (only if it does: bytes u16, then ids parted by spaces), packed outline.
"""

from __future__ import annotations

import struct

from guotu.model.records import DatasetRecord, Extent
from registry.outline import pack_outline, unpack_outline

_HEAD = struct.Struct("<qqqqd4dHHB")
"""Revision in etcd, version, rows, published_ms, territory_m2, extent, sizes of manifest and digest, flags."""
_REVISION = struct.Struct("<q")
_HAS_EXTENT, _HEX_MANIFEST, _HEX_DIGEST, _ALSO_UNDER = 1, 2, 4, 8
_SIZE = struct.Struct("<H")
_NOWHERE = Extent(0.0, 0.0, 0.0, 0.0)


def pack_record(revision: int, record: DatasetRecord) -> bytes:
    """Return a record, and the revision at which etcd has it, without the ids.

    Raises:
        ValueError: a number is beyond 64 bits, or a text beyond 64 KiB.
    """
    extent = record.extent or _NOWHERE
    manifest_hex, manifest = _pack_hex(record.manifest)
    digest_hex, digest = _pack_hex(record.digest)
    flags = _HAS_EXTENT * (record.extent is not None) + _HEX_MANIFEST * manifest_hex + _HEX_DIGEST * digest_hex
    also = " ".join(record.also_under).encode()
    flags += _ALSO_UNDER * bool(also)
    try:
        head = _HEAD.pack(
            revision, record.version, record.rows, record.published_ms, record.territory_m2,
            extent.xmin, extent.ymin, extent.xmax, extent.ymax, len(manifest), len(digest), flags,
        )  # fmt: skip
        places = _SIZE.pack(len(also)) + also if also else b""
    except struct.error as fault:
        raise ValueError(f"{record.dataset}: {fault}") from fault
    return b"".join((head, manifest, digest, places, pack_outline(record.coverage_wkb)))


def packed_revision(data: bytes) -> int:
    """Return the revision at which etcd has a packed record."""
    return int(_REVISION.unpack_from(data)[0])


def forget_revision(data: bytes) -> bytes:
    """Return a packed record whose revision is 0, older than any."""
    return _REVISION.pack(0) + data[_REVISION.size :]


def unpack_record(node: str, collection: str, data: bytes) -> DatasetRecord:
    """Return the record of a node's dataset from its packed form.

    Raises:
        ValueError: it is cut short.
    """
    try:
        _, version, rows, published, territory, *edges, manifest, digest, flags = _HEAD.unpack_from(data)
    except struct.error as fault:
        raise ValueError(f"packed record of {node}/{collection}: {fault}") from fault
    middle = _HEAD.size + manifest
    end = middle + digest
    also, outline = _unpack_places(data, end) if flags & _ALSO_UNDER else ((), end)
    return DatasetRecord(
        dataset=f"{node}/{collection}",
        collection=collection,
        node=node,
        version=version,
        rows=rows,
        extent=Extent(*edges) if flags & _HAS_EXTENT else None,
        coverage_wkb=unpack_outline(data[outline:]),
        territory_m2=territory,
        manifest=_unpack_hex(flags & _HEX_MANIFEST, data[_HEAD.size : middle]),
        digest=_unpack_hex(flags & _HEX_DIGEST, data[middle:end]),
        published_ms=published,
        also_under=also,
    )


def _unpack_places(data: bytes, start: int) -> tuple[tuple[str, ...], int]:
    """Return where the owner also stands, and where the outline begins."""
    (size,) = _SIZE.unpack_from(data, start)
    end = start + _SIZE.size + size
    return tuple(data[start + _SIZE.size : end].decode().split(" ")), end


def _pack_hex(text: str) -> tuple[bool, bytes]:
    """Return (True, the bytes that a hex text stands for), or (False, the text as UTF-8)."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return False, text.encode()
    return (True, data) if data.hex() == text else (False, text.encode())


def _unpack_hex(is_hex: int, data: bytes) -> str:
    return data.hex() if is_hex else data.decode()
