"""An owner on a socket and the directory that shows it, for tests of replication."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pyarrow as pa
import shapely

from sync.replica.area import Area
from tests.support.replica_parts import Author, Board, Peer
from tests.support.sync_samples import NODE


class Mesh:
    """The owner and the directory."""

    def __init__(self, author: Author, peer: Peer, board: Board) -> None:
        self.author, self.peer, self.board = author, peer, board

    async def publish(self, rows: pa.Table, **options: object) -> None:
        """Publish, and show it in the directory."""
        await self.author.publish(rows, **options)  # type: ignore[arg-type]
        self.board.head(self.author.record())


@asynccontextmanager
async def open_mesh(folder: Path) -> AsyncIterator[Mesh]:
    """Run an owner over a folder."""
    author, board = Author(folder / "owner"), Board()
    async with Peer(author.objects) as peer:
        board.node(NODE, peer.address, author.key.public_bytes)
        yield Mesh(author, peer, board)


def keys_of(rows: pa.Table) -> list[str]:
    """Return the keys, sorted."""
    return sorted(rows["BSM"].to_pylist())


def box(xmin: float, ymin: float, xmax: float, ymax: float) -> Area:
    """Return a rectangle as an area."""
    return Area(shapely.to_wkb(shapely.box(xmin, ymin, xmax, ymax)), "西部")


def inside(rows: pa.Table, area: Area) -> pa.Table:
    """Return the rows that intersect an area, found out the plain way."""
    polygon = shapely.from_wkb(area.wkb)
    return rows.filter(pa.array(shapely.intersects(polygon, shapely.from_wkb(rows["geometry"].to_numpy()))))
