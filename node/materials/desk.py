"""Tables for others on the node's side: made and dropped by the operator, kept in step by the node itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import structlog

from guotu.model.division import split_dataset
from guotu.model.errors import GuotuError, Internal, InvalidQuestion, NotFound, UnknownDataset, UnknownVersion
from guotu.model.material import Materialized, MaterialStatus
from guotu.model.ports import Clock
from node.materials.heads import Heads
from node.materials.standing import Standing
from node.stores.material import Brought, MaterialTables, Progress, Release, TableName

_REST_S = 10.0
"""How long until the next look if nothing is told to have changed."""
_SOON_S = 0.1
"""How long at first, doubled each time, where a version is readable that the head has not moved to yet."""
_SHARE = 2.0
_MOST_PAUSE_S = 1.0
"""Pause after each look: so many times what it took, at most so long."""
_log = structlog.get_logger(__name__)


class MaterialDesk:
    """Takes the operator's orders, one at a time, and follows heads by itself once started."""

    def __init__(self, heads: Heads, tables: MaterialTables | None, clock: Clock, changed: asyncio.Event) -> None:
        """Set the parts.

        Args:
            heads: the versions that tables are to show.
            tables: where they are; None if the node's store is not open to others.
            clock: by which lags and tries are told.
            changed: set whenever versions of the store may have changed.
        """
        self._heads = heads
        self._given = tables
        self._clock = clock
        self._changed = changed
        self._standings: dict[str, Standing] = {}
        self._turn = asyncio.Lock()
        self._soon = _SOON_S
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Know the tables that there are, and follow heads from now on; nothing where there cannot be any."""
        if self._given is not None:
            with suppress(GuotuError):  # tried again, and told, at the first look
                await self._read_list(self._given)
            self._following = asyncio.create_task(self._follow(self._given))

    async def close(self) -> None:
        """Stop; tables stay as they are."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        if self._given is not None:
            await self._given.close()

    def status(self) -> list[MaterialStatus]:
        """Return how each table stands, by dataset."""
        return [standing.status() for _, standing in sorted(self._standings.items())]

    async def materialize(self, dataset: str, into: str, check: bool, progress: Progress) -> Materialized:
        """Make a dataset's table if it has none, and bring it to the head; `check` compares all of its rows.

        Raises:
            InvalidQuestion: that is no dataset id or no table's name, or the node's store is not open to others.
            UnknownDataset, UnknownVersion: the node does not have it, or not its rows yet.
            Conflict, StoreFailure: as `MaterialTables.make`.
        """
        tables, name = self._tables, _checked(dataset, into)
        async with self._turn:
            release = await self._heads.release(dataset)

            def told(stage: str, done: int, total: int) -> None:
                progress(stage, done, total)
                if dataset in self._standings:
                    self._standings[dataset].progress(stage, done, total)

            try:
                brought = await tables.make(name, release, check, told)
            finally:
                # What was cut off may be done all the same.
                self._changed.set()
            self._take(brought, release)
        return Materialized(
            self._standings[dataset].status(), brought.created, brought.inserted, brought.updated, brought.deleted
        )

    async def dematerialize(self, subject: str) -> MaterialStatus:
        """Drop a table, named by itself or by its dataset; returns how it stood.

        Raises:
            InvalidQuestion: the node's store is not open to others.
            NotFound: there is no such table.
            Conflict, StoreFailure: as `MaterialTables.drop`.
        """
        tables = self._tables
        async with self._turn:
            await self._read_list(tables)
            found = [item for item in self.status() if subject in (item.dataset, item.table)]
            if not found:
                raise NotFound(detail=f"{subject} 没有物化表 has no table; guotu materialized")
            await tables.drop(found[0].dataset)
            del self._standings[found[0].dataset]
        _log.info("dematerialized", dataset=found[0].dataset, table=found[0].table)
        return found[0]

    @property
    def _tables(self) -> MaterialTables:
        if self._given is None:
            raise InvalidQuestion(
                part="materialize",
                detail="本节点的数据存于内嵌库 DuckDB，其他程序读不了，请改存 PostGIS "
                "this node keeps its rows in DuckDB, which other programs cannot read; keep them in PostGIS: "
                'store = "postgresql://…"',
            )
        return self._given

    async def _follow(self, tables: MaterialTables) -> None:
        while True:
            self._changed.clear()
            began = time.monotonic()
            pause = await self._look_safely(tables)
            # Looks at many tables must not follow upon each other without a pause.
            await asyncio.sleep(min(_SHARE * (time.monotonic() - began), _MOST_PAUSE_S))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def _look_safely(self, tables: MaterialTables) -> float:
        """Look; what fails is tried again. Returns how long to wait before the next look."""
        try:
            async with self._turn:
                await self._read_list(tables)
            newest = await self._heads.newest_readable() if self._standings else {}
        except GuotuError as failure:
            _log.warning("materials_not_followed", detail=failure.english)
            return _REST_S
        pauses, coming = [_REST_S], False
        for standing in list(self._standings.values()):
            async with self._turn:
                head = await self._tend(tables, standing)
            coming |= newest.get(standing.material.dataset, 0) > head
            pauses += [wait for wait in (standing.wait_s(),) if wait is not None]
        self._soon = min(self._soon * 2, _REST_S) if coming else _SOON_S
        return min(*pauses, self._soon if coming else _REST_S)

    async def _read_list(self, tables: MaterialTables) -> None:
        """Know of each table that there is, and of no other."""
        materials = {item.dataset: item for item in await tables.listed()}
        for dataset in self._standings.keys() - materials.keys():
            del self._standings[dataset]
        for dataset, material in materials.items():
            if dataset in self._standings:
                self._standings[dataset].material = material
            else:
                self._standings[dataset] = Standing(material, self._clock)

    async def _tend(self, tables: MaterialTables, standing: Standing) -> int:
        """Bring a table to the head, unless that failed a moment ago; returns the head, 0 if there is none."""
        head = 0
        try:
            release = await self._heads.release(standing.material.dataset)
            head = release.version
            standing.see(head)
            if standing.is_due(release.version, release.manifest):
                standing.begin(release.version, release.manifest)
                self._take(await tables.bring(release, standing.progress), release)
        except UnknownDataset:
            standing.lost()
        except UnknownVersion as failure:
            standing.unready(failure)
        except GuotuError as failure:
            _log.warning("not_materialized", dataset=standing.material.dataset, detail=failure.english)
            standing.failed(failure)
        except Exception as failure:  # a fault of our own: other tables are followed, the log has the trace
            _log.error("not_materialized", dataset=standing.material.dataset, exc_info=failure)
            standing.failed(Internal(detail=f"{type(failure).__name__}: {failure}"))
        return head

    def _take(self, brought: Brought, release: Release) -> None:
        """Take notice of what a table shows now."""
        material = brought.material
        standing = self._standings.setdefault(material.dataset, Standing(material, self._clock))
        before = standing.material.version
        standing.see(release.version)
        standing.reached(material)
        if brought.created or brought.inserted or brought.updated or brought.deleted or before != material.version:
            facts = {"inserted": brought.inserted, "updated": brought.updated, "deleted": brought.deleted}
            table = str(material.name)
            _log.info("materialized", dataset=material.dataset, version=material.version, table=table, **facts)


def _checked(dataset: str, into: str) -> TableName:
    """Return the table that is meant; what is wrong with it and with the dataset is told at once."""
    name, faults = None, {}
    try:
        split_dataset(dataset)
    except ValueError as failure:
        faults["dataset"] = str(failure)
    try:
        name = TableName.parse(into)
    except ValueError as failure:
        faults["--into"] = str(failure)
    if faults or name is None:
        raise InvalidQuestion(part=", ".join(faults), detail="; ".join(faults.values()))
    return name
