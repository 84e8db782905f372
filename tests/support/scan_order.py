"""The order in which a scan gives the rows of a version."""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc


def in_scan_order(rows: pa.Table, recent: Collection[str]) -> pa.Table:
    """Put rows of the sample collection, in curve order, behind the others if their key is in `recent`."""
    late = pc.is_in(rows["BSM"], value_set=pa.array(recent, pa.string()))
    return pa.concat_tables([rows.filter(pc.invert(late)), rows.filter(late)]).combine_chunks()
