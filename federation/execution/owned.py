"""Leaving features to their owners, where datasets of one question overlap; keys are read as they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pyarrow as pa

from guotu.model.answer import Notice
from guotu.model.collection import Collection
from guotu.model.errors import GuotuError, TooLarge
from guotu.model.ownership import Ownership
from guotu.model.question import Cut
from guotu.model.schema import arrow_schema

OWNER_NOT_ASKED = "OWNER_NOT_ASKED"
MAX_KEYS = 20_000_000
"""Most keys of another dataset that are looked through."""

KeyRows = Callable[[str, int], AsyncIterator[pa.RecordBatch]]
"""Reads the keys of a dataset at a version, one column, from whoever has them.

Raises:
    GuotuError: not all of them came.
"""


class Owned:
    """The features of one dataset that count for it in one question."""

    def __init__(self, dataset: str, collection: Collection, others: Cut, key_rows: KeyRows) -> None:
        """Take the dataset, its collection, and the other datasets that features may be left to, with versions."""
        self._dataset = dataset
        self._ownership = Ownership(dataset, collection, others)
        self._versions = others
        self._key_rows = key_rows
        self._key_type = arrow_schema(collection, (collection.key,)).types[0]
        self._held: dict[str, pa.Array] = {}
        self._reading = asyncio.Lock()
        self.columns = self._ownership.columns
        self.notices: list[Notice] = []
        """What the caller should know: whose keys could not be read, so that all features count here."""

    async def own(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the features that count here.

        Raises:
            TooLarge: another dataset has too many keys.
        """
        claimants = self._ownership.claimants(batch)
        if not claimants:
            return batch
        async with self._reading:  # for whoever asks meanwhile, too
            for other in claimants:
                if other not in self._held:
                    self._held[other] = await self._keys(other)
        return await asyncio.to_thread(self._ownership.own, batch, self._held)

    async def _keys(self, other: str) -> pa.Array:
        parts: list[pa.Array] = [pa.array([], self._key_type)]
        count = 0
        try:
            async with aclosing(self._key_rows(other, self._versions[other])) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    parts.append(batch.column(0))
                    count += batch.num_rows
                    if count > MAX_KEYS:
                        raise TooLarge(what=f"keys of {other}", size=f"> {MAX_KEYS}", limit=MAX_KEYS)
        except TooLarge:
            raise
        except GuotuError as failure:
            self.notices.append(Notice(OWNER_NOT_ASKED, _sentence(self._dataset, other, failure), self._dataset))
            return parts[0]
        return pa.concat_arrays(parts)


def _sentence(dataset: str, other: str, failure: GuotuError) -> str:
    return (
        f"未能核对 {other} 的标识码，{dataset} 中属其区划的图斑照计 the keys of {other} could not be read, "
        f"features of its division that {dataset} holds count there: {failure.english}"
    )
