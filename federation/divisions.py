"""Codes of divisions that questions name: whether there is such a division, and which are near it if not."""

from __future__ import annotations

from itertools import islice
from operator import attrgetter

from guotu.model.boundary import FindDivisions, KnownDivision
from guotu.model.division import NATION, DivisionLevel, at_level, contains, level_of, node_division, prefix_of
from guotu.model.errors import UnknownDivision
from guotu.model.ports import DirectoryView

_MOST_NEAR = 6


def require_division(code: str, find: FindDivisions, view: DirectoryView) -> None:
    """Check that a division has a code: by the gazetteer, or by nodes that are registered or own datasets.

    Raises:
        UnknownDivision: none has.
    """
    if code == NATION or _known(code, find) or _has_nodes(code, view):
        return
    near = ", ".join(f"{item.code} {item.name}" for item in _near(code, find))
    raise UnknownDivision(division=code, near=near or "无 none", prefix=prefix_of(code))


def _known(code: str, find: FindDivisions) -> KnownDivision | None:
    """Return the division of a code; None if nothing is known of it."""
    return next((item for item in find(code) if item.bounds is not None), None)


def _has_nodes(code: str, view: DirectoryView) -> bool:
    owners = (record.node for records in view.datasets.values() for record in records.values())
    return any(contains(code, node_division(node)) for node in (*view.nodes, *owners))


def _near(code: str, find: FindDivisions) -> list[KnownDivision]:
    """Return some divisions of the code's level, below the nearest one above it that there is, by code."""
    above = next(filter(None, (_known(at_level(code, outer), find) for outer in reversed(DivisionLevel))), None)
    if above is None:
        return []
    below = {at_level(county, level_of(code)) for county in above.counties}
    nearest = sorted(below, key=lambda other: (abs(int(other) - int(code)), other))
    found = filter(None, (_known(other, find) for other in nearest))
    return sorted(islice(found, _MOST_NEAR), key=attrgetter("code"))
