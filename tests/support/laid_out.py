"""Rows laid out as the chunks of a base, as a publish does it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from guotu.model.collection import Collection
from sync.datafile import DataFile, Division, FileSizes
from sync.layout import ordered_windows, write_chunks
from sync.spool import Spool
from sync.survey import Survey, order_of, survey
from tests.support.sync_samples import PARCELS, write_spool

SMALL = FileSizes(group_rows=100, window_rows=350, target_bytes=60_000, least_bytes=30_000)


def lay_out(
    path: Path, rows: pa.Table, collection: Collection = PARCELS, limits: FileSizes | None = None, batch_rows: int = 300
) -> tuple[Survey, list[DataFile]]:
    """Write rows as the chunks of a base below `path`; return what the survey found, and the chunks in order."""
    folder = path / "chunks"
    folder.mkdir()
    limits = limits or FileSizes()
    with Spool(write_spool(path / "spool.arrow", rows, batch_rows), collection) as spool:
        found = survey(spool, folder, lambda count: None, summed=True)
        windows = ordered_windows(spool.take, order_of(spool, found.places), found.sizes, limits)
        division = Division(spool.rows, folder, "chunk", lambda count: None, limits)
        chunks = list(write_chunks(windows, collection, division))
    return found, chunks
