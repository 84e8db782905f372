"""What fingerprints are bound to: whatever makes other rows of a table, or other fingerprints of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as package_version
from typing import Any

FORMAT = 1
"""Of the files, and of how fingerprints are made."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What an operator said of a table; see the options of `guotu publish`."""

    table: str
    """[SCHEMA.]TABLE as it was written."""
    where: str = ""
    geometry: str = ""
    key: str = ""
    mapping: tuple[tuple[str, str], ...] = ()
    crs: str = ""
    repair: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """What fingerprints hold for; they are used only while all of it is the same."""

    options: TableOptions
    force_bounds: bool
    tolerance_deg: float
    relation: str
    """Schema and name of the table."""
    columns: tuple[tuple[str, str, str], ...]
    """Field, column and type of what is read, in the order in which it is hashed; the geometry is the last."""
    server: str
    """Versions of PostgreSQL and PostGIS, whose functions make them."""
    software: str
    """Versions of what makes rows of what is read."""
    definition: str
    """SHA-256 of the collection's definition in the catalogue, code lists included."""


def software() -> str:
    """Return the versions of what makes rows of what is read: guotu, and what brings PROJ and GEOS with it."""
    return "/".join(f"{name} {package_version(name)}" for name in ("guotu", "pyproj", "shapely"))


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of the last publication from a table."""

    binding: Binding
    manifest: str
    """SHA-256 of the manifest that it led to, hex."""
    seeds: tuple[int, int]
    """Of the two hashes; random, so that nobody who edits the table can make rows that collide."""
    rows: int
    file: str
    """Name of the file of fingerprints, beside this."""

    def holds(self, binding: Binding, manifest: str) -> bool:
        """Tell whether the fingerprints are those of a head."""
        return self.binding == binding and self.manifest == manifest


def memory_from(document: Mapping[str, Any]) -> Memory:
    """Read what `dataclasses.asdict` made of a memory, by way of JSON.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    bound = dict(document["binding"])
    options = dict(bound.pop("options"))
    mapping = tuple((str(old), str(new)) for old, new in options.pop("mapping"))
    columns = tuple((str(field), str(name), str(kind)) for field, name, kind in bound.pop("columns"))
    binding = Binding(TableOptions(**options, mapping=mapping), columns=columns, **bound)
    one, two = document["seeds"]
    return Memory(binding, document["manifest"], (int(one), int(two)), int(document["rows"]), str(document["file"]))
