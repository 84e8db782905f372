"""Versions that are not retained: who lacks one tells which ones there are."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing

from guotu.model.answer import Completeness, Frame, MemberOutcome
from guotu.model.errors import UnknownVersion
from guotu.model.ports import FeatureStore

_MOST_TOLD = 40
_RETAINED = re.compile(r" \[[\d, –]*\]")


async def telling_retained(frames: AsyncIterator[Frame], store: FeatureStore) -> AsyncIterator[Frame]:
    """Yield frames made from a store; where it lacks the version, the error tells which ones it has.

    Raises:
        UnknownVersion: the store cannot answer from that version.
    """
    try:
        async with aclosing(frames) as answered:  # type: ignore[type-var]
            async for frame in answered:
                yield frame
    except UnknownVersion as failure:
        numbers = [item.version for item in await store.versions() if item.dataset == failure.facts["dataset"]]
        raise UnknownVersion(**{**failure.facts, "retained": f" [{_runs(numbers)}]"}) from failure


def _runs(versions: Iterable[int]) -> str:
    """Return "1, 4–7" for 1, 4, 5, 6 and 7."""
    runs: list[tuple[int, int]] = []
    for version in sorted(versions):
        low, high = runs[-1] if runs else (0, 0)
        if high == version - 1 and runs:
            runs[-1] = low, version
        else:
            runs.append((version, version))
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in runs)


def lacking(completeness: Completeness | None) -> list[str]:
    """Name the versions that members lack, with those that they retain: "510000/dltb@3 [5–9]"."""
    members = () if completeness is None else completeness.members
    without = [member for member in members if member.reason == UnknownVersion.reason]
    return [f"{item.dataset}@{item.version}{retained_by(item)}" for item in without]


def retained_by(member: MemberOutcome) -> str:
    """Return the versions that a member says it retains, " [5–9]"; empty if it does not say."""
    found = _RETAINED.search(member.detail)
    return found[0] if found else ""


def sentence(lacks: list[str]) -> str:
    """Return them for a message, the first forty."""
    more = f"; … +{len(lacks) - _MOST_TOLD}" if len(lacks) > _MOST_TOLD else ""
    return "; ".join(lacks[:_MOST_TOLD]) + more
