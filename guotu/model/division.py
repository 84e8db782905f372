"""Administrative divisions (GB/T 2260) and the ids of nodes and datasets built on them."""

from __future__ import annotations

import re
from enum import StrEnum

NATION = "100000"
_DIVISION = re.compile(r"[1-9]\d{5}")
_NODE = re.compile(r"([1-9]\d{5})(-[a-z0-9]{1,12})?")
_DATASET = re.compile(r"([1-9]\d{5}(?:-[a-z0-9]{1,12})?)/((?:[1-9]\d{5}(?:-[a-z0-9]{1,12})?\.)?[a-z][a-z0-9_]{0,31})")


class DivisionLevel(StrEnum):
    """Levels of the administrative tree."""

    NATION = "nation"
    PROVINCE = "province"
    PREFECTURE = "prefecture"
    COUNTY = "county"


_PREFIX = {
    DivisionLevel.NATION: 0, DivisionLevel.PROVINCE: 2, DivisionLevel.PREFECTURE: 4, DivisionLevel.COUNTY: 6,
}  # fmt: skip


def is_division(code: str) -> bool:
    """Tell whether `code` has the form of a GB/T 2260 code (six digits)."""
    return _DIVISION.fullmatch(code) is not None


def level_of(code: str) -> DivisionLevel:
    """Return the level that a code's trailing zeros give it."""
    if code == NATION:
        return DivisionLevel.NATION
    if code.endswith("0000"):
        return DivisionLevel.PROVINCE
    return DivisionLevel.PREFECTURE if code.endswith("00") else DivisionLevel.COUNTY


def prefix_length(level: DivisionLevel) -> int:
    """Return how many leading digits name a division of that level."""
    return _PREFIX[level]


def prefix_of(code: str) -> str:
    """Return the leading digits that every division below `code` shares; empty for the nation."""
    return code[: _PREFIX[level_of(code)]]


def at_level(code: str, level: DivisionLevel) -> str:
    """Return the division of `level` that `code` lies in ("510104" at PREFECTURE is "510100")."""
    if level is DivisionLevel.NATION:
        return NATION
    return code[: _PREFIX[level]].ljust(6, "0")


def contains(outer: str, inner: str) -> bool:
    """Tell whether division `inner` is `outer` or lies below it."""
    return inner.startswith(prefix_of(outer))


def is_node_id(node: str) -> bool:
    """Tell whether `node` is a division, or a division and a short unit suffix ("510000-ch")."""
    return _NODE.fullmatch(node) is not None


def node_division(node: str) -> str:
    """Return the division of a node id.

    Raises:
        ValueError: it is not a node id.
    """
    match = _NODE.fullmatch(node)
    if match is None:
        raise ValueError(f"not a node id: {node!r} (six digits, optionally '-' and a unit suffix)")
    return match.group(1)


def stands_above(above: str, below: str) -> bool:
    """Tell whether node `above` is of a division above that of node `below`, or the main node of the same division.

    Whatever nodes claim, following only such pairs upward never comes back to where it began.
    """
    if not (is_node_id(above) and is_node_id(below)):
        return False
    outer, inner = node_division(above), node_division(below)
    if outer == inner:
        return above == outer and below != inner
    return contains(outer, inner)


def dataset_id(node: str, collection: str) -> str:
    """Return the id of a node's holding of a collection ("510000/dltb")."""
    return f"{node}/{collection}"


def split_dataset(dataset: str) -> tuple[str, str]:
    """Return (node id, collection id) of a dataset id.

    Raises:
        ValueError: it is not a dataset id.
    """
    match = _DATASET.fullmatch(dataset)
    if match is None:
        raise ValueError(f"not a dataset id: {dataset!r} (for example 510000/dltb)")
    return match.group(1), match.group(2)
