"""Groups of overlays: counts and areas, exact, added up as features come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.division import prefix_length
from guotu.model.errors import TooLarge
from guotu.model.grouping import division_level
from guotu.model.overlay import AREA, COUNT, Overlayer, areas_of, column_of, overlay_schema
from guotu.model.zones import ZONE, Zones

_COMPACT_ROWS = 200_000


class Sums:
    """Counts and areas by some columns, exact, added up as parts come."""

    def __init__(self, keys: Sequence[str], max_rows: int | None = None) -> None:
        """Take the names of the columns, which are not COUNT nor AREA, and how many groups there may be (None: any)."""
        self._keys = list(keys)
        self._max_rows = max_rows
        self._parts: list[pa.Table] = []
        self.rows = 0
        """Groups so far; of several parts the same one may be among them more than once."""
        self.size_bytes = 0
        """Bytes of them."""

    def add(self, part: pa.Table) -> None:
        """Add a part: the columns, COUNT, AREA.

        Raises:
            TooLarge: more groups than there may be.
        """
        self._parts.append(added_up([part], self._keys))
        self.rows += self._parts[-1].num_rows
        self.size_bytes += self._parts[-1].nbytes
        if self.rows > _COMPACT_ROWS + 2 * self._parts[0].num_rows:
            self.compact()

    def table(self) -> pa.Table | None:
        """Return one row a group, not sorted; None if nothing was added.

        Raises:
            TooLarge: more groups than there may be.
        """
        if not self._parts:
            return None
        self.compact()
        return self._parts[0]

    def compact(self) -> None:
        """Have each group once.

        Raises:
            TooLarge: more groups than there may be.
        """
        self._parts = [added_up(self._parts, self._keys)]
        self.rows, self.size_bytes = self._parts[0].num_rows, self._parts[0].nbytes
        if self._max_rows is not None and self.rows > self._max_rows:
            raise TooLarge(what="groups", size=f"> {self._max_rows}", limit=self._max_rows)


def added_up(parts: Sequence[pa.Table], keys: Sequence[str]) -> pa.Table:
    """Return one row a group, not sorted, of parts with the columns `keys`, COUNT, AREA; at least one part."""
    values = [(COUNT, "sum"), (AREA, "sum")]
    grouped = pa.concat_tables(parts).group_by(list(keys), use_threads=False).aggregate(values)
    return grouped.select([*keys, f"{COUNT}_sum", f"{AREA}_sum"]).rename_columns([*keys, COUNT, AREA])


class Crossing:
    """Lays features over zones, batch by batch: what each pair has in common."""

    def __init__(self, zones: Zones, collection: Collection, group_by: tuple[str, ...]) -> None:
        """Take the zones, the collection of the features, and the group columns.

        Raises: as `overlay_schema`.
        """
        self._overlayer = Overlayer(zones)
        self._collection = collection
        self._group_by = group_by
        self.schema = overlay_schema(collection, group_by, shares=False)
        """Of what is found, but for ZONE, which is the number of a zone, int64."""

    def pairs(self, batch: pa.RecordBatch) -> Iterator[pa.Table]:
        """Yield a row each pair of a zone and a feature, a bounded number at a time.

        `batch` has the columns `scanned_fields`, geometry as WKB.
        """
        shapes = np.asarray(shapely.from_wkb(batch.column(GEOMETRY).to_numpy(zero_copy_only=False)), dtype=object)
        groups = [group_column(batch, self._collection, name) for name in self._group_by]
        for found in self._overlayer.common(shapes):
            rows = pa.array(found.features)
            values = [pa.array(np.ones(len(rows), np.int64)), areas_of(found.units)]
            columns = [pa.array(found.zones), *(group.take(rows) for group in groups), *values]
            yield pa.Table.from_arrays(columns, self.schema.names)


class Tabulation:
    """Groups of an overlay: counts and areas by zone and group, exact, added up as batches come."""

    def __init__(self, zones: Zones, collection: Collection, group_by: tuple[str, ...], max_rows: int) -> None:
        """Take the zones, the collection of the features, the group columns, and how many groups there may be.

        Raises: as `overlay_schema`.
        """
        self._names = zones.names
        self._crossing = Crossing(zones, collection, group_by)
        self._sums = Sums([ZONE, *group_by], max_rows)
        self._stopped = False

    def add(self, batch: pa.RecordBatch) -> None:
        """Add features, as `Crossing.pairs` takes them.

        Raises:
            TooLarge: more groups than there may be.
        """
        for pairs in self._crossing.pairs(batch):
            if self._stopped:
                return
            self._sums.add(pairs)

    def stop(self) -> None:
        """Let an `add` that is under way in another thread end soon; what it gives is not whole."""
        self._stopped = True

    def table(self) -> pa.Table:
        """Return one row a zone and group, not sorted; schema `overlay_schema` without shares.

        Raises:
            TooLarge: more groups than there may be.
        """
        sums = self._sums.table()
        if sums is None:
            return self._crossing.schema.empty_table()
        return sums.set_column(0, ZONE, self._names.take(sums.column(0).combine_chunks())).cast(self._crossing.schema)


def group_column(batch: pa.RecordBatch, collection: Collection, name: str) -> pa.Array:
    """Return a group column; a level is the prefix of the code, filled up with zeros."""
    values = batch.column(column_of(collection, name))
    level = division_level(collection, name)
    if level is None:
        return values
    prefix = pc.utf8_slice_codeunits(values, 0, prefix_length(level))
    return pc.utf8_slice_codeunits(pc.binary_join_element_wise(prefix, "000000", ""), 0, 6)
