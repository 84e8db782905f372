"""Whatever rows are encoded come back, in whatever pieces they travel."""

from datetime import date

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from node.stores.postgis.copying.decoder import Decoder
from node.stores.postgis.copying.encoder import encoded
from node.stores.postgis.copying.wire import HEADER, TRAILER

# Bytes that look like counts of fields and like lengths, so that places that begin no row are frequent.
TRICKY = st.lists(st.sampled_from([b"\x00\x05", b"\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x08", b"x"]), max_size=12)
ROW = st.tuples(
    st.none() | TRICKY.map(b"".join),
    st.none() | st.text(st.characters(codec="utf-8"), max_size=9),
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5 * 2**32),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
)
SCHEMA = pa.schema([("b", pa.binary()), ("t", pa.string()), ("i", pa.int64()), ("f", pa.float64()), ("d", pa.date32())])
KINDS = ("bytea", "text", "bigint", "double precision", "date")


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(ROW, max_size=30), step=st.integers(1, 400))
def test_rows_come_back(rows: list[tuple[object, ...]], step: int) -> None:
    columns = [pa.array([row[place] for row in rows], field.type) for place, field in enumerate(SCHEMA)]
    table = pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
    stream = HEADER + b"".join(encoded(table, KINDS)) + TRAILER
    decoder = Decoder(SCHEMA)
    found = [decoder.decode(stream[start : start + step]) for start in range(0, len(stream), step)]
    decoder.finish()
    assert pa.Table.from_batches(found).equals(pa.Table.from_batches([table]))
