"""Which geometries are curves, which the mesh does not keep."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from node.ingest.tally import Mask, as_mask

# ISO WKB codes of circular strings, compound curves, curve polygons, multicurves and multisurfaces.
_FIRST_CURVE, _LAST_CURVE = 8, 12


def curved(shapes: pa.Array) -> Mask:
    """Tell which WKB geometries are, by their outermost type, curves."""
    heads = pc.binary_slice(shapes, 0, 5).dictionary_encode()
    curves = pa.array([_is_curve(head) for head in heads.dictionary.to_pylist()], pa.bool_())
    return as_mask(curves.take(heads.indices))


def _is_curve(head: bytes) -> bool:
    order: Literal["little", "big"] = "little" if head[:1] == b"\1" else "big"
    return _FIRST_CURVE <= int.from_bytes(head[1:5], order) % 1000 <= _LAST_CURVE
