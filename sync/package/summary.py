"""What a package has, or what was taken from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sync.package.index import PackageIndex

Checkpoint = Callable[[str], None]
"""Called with the name of each durable step once it is done."""


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """What a package has, or what was taken from it."""

    cut: Mapping[str, int]
    """Dataset id to the newest version in it."""
    versions: int
    """In the package."""
    objects: int
    """In the package."""
    size_bytes: int
    """Of the file."""
    taken: int = 0
    """Versions that were new to the importing node."""


def summary(index: PackageIndex, size_bytes: int, taken: int = 0) -> PackageSummary:
    """Return what a package has."""
    return PackageSummary(
        cut={item.dataset: item.until for item in index.datasets},
        versions=sum(len(item.manifests) for item in index.datasets),
        objects=sum(entry.is_object for entry in index.entries),
        size_bytes=size_bytes,
        taken=taken,
    )


def unheard(stage: str, done: int, total: int) -> None:
    """Listen to no progress."""


def unmarked(step: str) -> None:
    """Do nothing at a checkpoint."""
