"""CSV tables, for collections without geometry: every column is text, typed by the collection's schema."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pcsv

from node.ingest.container import Container
from node.ingest.encoding import choose_encoding
from node.ingest.kinds import FaultKind
from node.ingest.reader import LayerFacts, UnreadableLayer
from node.ingest.tally import EXAMPLES, Tally

_SAMPLE_BYTES = 8 << 20
_BLOCK_BYTES = 1 << 20


class _Recoded(io.RawIOBase):
    """A file of any encoding, read as UTF-8; what cannot be decoded becomes U+FFFD, a leading mark is dropped."""

    def __init__(self, path: str, encoding: str) -> None:
        super().__init__()
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""
        self._started = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._ready:
            data = self._file.read(_BLOCK_BYTES)
            text = self._decoder.decode(data, final=not data)
            if text and not self._started:
                text, self._started = text.removeprefix("\ufeff"), True
            self._ready = text.encode()
            if not data:
                break
        count = min(len(view), len(self._ready))
        view[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class DelimitedReader:
    """One CSV file with a header line; commas, double quotes, lines inside quotes allowed."""

    def __init__(self, container: Container, encoding: str | None) -> None:
        """Open it; `encoding` is the caller's word on the text encoding, None to find out.

        Raises:
            UnreadableLayer: it has no header line.
        """
        self._path = container.path
        with container.path.open("rb") as stream:
            head = stream.read(_SAMPLE_BYTES)
        whole = head if len(head) < _SAMPLE_BYTES else head[: head.rfind(b"\n") + 1]
        self.choice = choose_encoding(encoding, None, whole.splitlines())
        text = whole.decode(self.choice.encoding, "replace").removeprefix("\ufeff")
        self._columns = next(csv.reader(io.StringIO(text, newline="")), [])
        if not self._columns:
            raise UnreadableLayer(f"{container.name} has no header line")
        if len(set(self._columns)) < len(self._columns):
            raise UnreadableLayer(f"{container.name} has two columns of one name in its header")

    @property
    def facts(self) -> LayerFacts:
        """What is known before reading."""
        return LayerFacts(
            layer=self._path.stem,
            driver="CSV",
            schema=pa.schema([(name, pa.string()) for name in self._columns]),
            feature_count=0,
            encoding=self.choice.encoding,
        )

    def batches(self, columns: list[str], geometry: bool, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield rows; see `LayerReader`. There is never a geometry. Rows of another width are told of."""

        def skip(row: pcsv.InvalidRow) -> str:
            number = [f"#{row.number - 1}"] if row.number else []
            tally.add(FaultKind.MALFORMED_ROW, count=1, keys=number[:EXAMPLES], values=[row.text])
            return "skip"

        with io.BufferedReader(_Recoded(str(self._path), self.choice.encoding)) as stream:
            try:
                yield from self._open(stream, columns, skip)
            except pa.ArrowException as error:
                raise UnreadableLayer(str(error)) from error

    def _open(self, stream: BinaryIO, columns: list[str], skip: object) -> pcsv.CSVStreamingReader:
        return pcsv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pcsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=pcsv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
            convert_options=pcsv.ConvertOptions(
                column_types={name: pa.string() for name in self._columns},
                include_columns=columns,
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
