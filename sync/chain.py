"""Chain: the manifests of a dataset, each with the name of the one before, down to one that holds all rows."""

from __future__ import annotations

from guotu.model.errors import VersionRefused
from guotu.model.ports import ObjectStore
from sync.manifest import Manifest
from sync.signed import SignedManifest, get_manifest


async def chain_to_base(objects: ObjectStore, name: str) -> list[SignedManifest]:
    """Return the manifests from the nearest base, inclusive, up to the one of that name; oldest first.

    Raises:
        CorruptObject: a manifest is missing or damaged.
        VersionRefused: two of them do not follow each other.
    """
    chain = [await get_manifest(objects, name)]
    while not chain[-1].manifest.base:
        child = chain[-1].manifest
        parent = await get_manifest(objects, child.parent)
        check_link(parent, child)
        chain.append(parent)
    return chain[::-1]


def check_link(parent: SignedManifest, child: Manifest) -> None:
    """Check that a version follows another.

    Raises:
        VersionRefused: it does not.
    """
    before = parent.manifest
    same_form = (child.series, child.definition) == (before.series, before.definition)
    series = child.series != before.series
    faults = (
        (child.dataset != before.dataset, f"上一版本属于 {before.dataset} it follows a version of {before.dataset}"),
        (child.parent != parent.name, f"上一版本不是 {child.parent} its parent is {child.parent}, not {parent.name}"),
        (child.version != before.version + 1, f"紧接版本 {before.version} it follows version {before.version}"),
        (series and child.series != before.series + 1, f"系列 {before.series} 之后 it follows series {before.series}"),
        (
            not same_form and not child.base,
            "新系列或新结构没有整份数据 a new series or definition begins without a base",
        ),
        (not same_form and bool(child.deltas), "两种结构之间有增量 there is a delta between two definitions"),
        (same_form and not child.deltas, "没有与上一版本的增量 there is no delta from the version before"),
    )
    for wrong, detail in faults:
        if wrong:
            raise VersionRefused(dataset=child.dataset, version=child.version, detail=detail)
