"""Shares of zones' own areas, in groups of an overlay."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.overlay import AREA, COUNT, SHARE, area_units, areas_of
from guotu.model.zones import ZONE, Zones


def own_areas(zones: Zones) -> pa.Decimal128Array:
    """Return the ellipsoidal area of each zone, m², AREA_TYPE."""
    units = np.zeros(len(zones), np.int64)
    np.add.at(units, zones.owners, area_units(zones.shapes))
    return areas_of(units)


def with_shares(groups: pa.Table, zones: Zones, every: bool, schema: pa.Schema) -> pa.Table:
    """Return groups with the share of each zone's own area; `zones` as they were asked about, the rest as `shared`."""
    return shared(groups, zones.names, own_areas(zones), every, schema)


def shared(
    groups: pa.Table, names: pa.StringArray, own: pa.Decimal128Array, every: bool, schema: pa.Schema
) -> pa.Table:
    """Return groups with the share of each zone's own area; with `every`, a row for each zone that nothing meets, too.

    Args:
        groups: `zone`, the group columns, `count`, `area_m2`.
        names: of the zones.
        own: their areas, m².
        every: there are no group columns, and every zone shall have a row.
        schema: of what is returned.
    """
    if every:
        groups = _every_zone(groups, names)
    areas = own.take(pc.index_in(groups[ZONE], names).combine_chunks())
    share = pc.divide(groups[AREA].cast(pa.float64()), areas.cast(pa.float64()))
    return groups.append_column(SHARE, share).cast(schema)


def _every_zone(groups: pa.Table, names: pa.StringArray) -> pa.Table:
    places = pc.index_in(names, groups[ZONE])
    counts = pc.fill_null(groups[COUNT].take(places), 0)
    areas = pc.if_else(pc.is_valid(places), groups[AREA].take(places), areas_of(np.zeros(len(names), np.int64)))
    return pa.Table.from_arrays([names, counts, areas], groups.schema.names)
