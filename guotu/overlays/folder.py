"""A job's folder: what was asked and at which versions, and the parts that are finished, each proven by its hash.

`job.json` is written once the versions are known. A part is `parts/NODE~COLLECTION.arrow` (Arrow IPC file) and, written
after it, `.json` with its SHA-256, the member's outcome and warnings: a part without it, or with other bytes, is not
there. Files come to their names whole, so that a crash at any line leaves a folder with which one can go on. Parts are
written and read in batches: none is in memory as a whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from guotu.model.answer import MemberOutcome, Notice, Outcome, Receipt
from guotu.model.disk import is_full
from guotu.model.errors import DirectoryInUse, DiskFull, InvalidQuestion
from guotu.model.receipt import receipt_document, receipt_of

_FORMAT = 1
_UNFINISHED = "*.tmp"


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a job answers from."""

    node: str
    """Node that was asked."""
    datasets: Mapping[str, int]
    """Datasets whose features are measured, with versions: the members."""
    zones: Mapping[str, int]
    """Datasets that zones are taken from, with versions."""
    schema: pa.Schema
    """Of the answer."""
    boundary: Mapping[str, int]
    """What the boundary of the question's division is taken from, with versions, and maybe others; none without one."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        schema = self.schema.serialize().to_pybytes().hex()
        versions = {"datasets": dict(self.datasets), "zones": dict(self.zones), "boundary": dict(self.boundary)}
        return {"node": self.node, **versions, "schema": schema}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Return what `document` gave."""
        schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(document["schema"])))
        return cls(document["node"], document["datasets"], document["zones"], schema, document.get("boundary", {}))


@dataclass(frozen=True, slots=True)
class Part:
    """One member's finished part."""

    member: MemberOutcome
    path: Path
    notices: tuple[Notice, ...]
    """What the caller should know of it."""
    receipt: Receipt | None

    @property
    def schema(self) -> pa.Schema:
        """Return the columns of its rows; raises as `batches`."""
        with pa.memory_map(str(self.path)) as mapped:
            return pa.ipc.open_file(mapped).schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield its rows.

        Raises:
            OSError: the file cannot be read.
        """
        with pa.memory_map(str(self.path)) as mapped:
            reader = pa.ipc.open_file(mapped)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)


class Draft:
    """A part that is being written; nothing stays of it unless it is kept."""

    def __init__(self, folder: JobFolder, dataset: str, schema: pa.Schema) -> None:
        """Begin the file.

        Raises: as `write`.
        """
        self._folder = folder
        self._name = _name(dataset)
        self._path = unfinished(folder.path / f"{self._name}.arrow")
        with folder.writing():
            self._file = self._path.open("xb")
            self._writer = pa.ipc.new_file(self._file, schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what finds no room is wanted no more
            self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, rows: pa.RecordBatch) -> None:
        """Add rows.

        Raises:
            DiskFull: there is no room for them.
            OSError: they cannot be written.
        """
        with self._folder.writing():
            self._writer.write_batch(rows)

    def keep(self, member: MemberOutcome, notices: Sequence[Notice], receipt: Receipt | None) -> None:
        """Make the part whole, with the member's outcome, warnings and receipt; durable on return.

        Raises: as `write`.
        """
        target = self._folder.path / self._name
        with self._folder.writing():
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            with suppress(FileNotFoundError):
                target.with_name(f"{target.name}.json").unlink()
            told = {
                "sha256": _sha256(self._path),
                "member": asdict(member),
                "notices": [asdict(notice) for notice in notices],
                "receipt": None if receipt is None else receipt_document(receipt),
            }
            self._path.replace(target.with_name(f"{target.name}.arrow"))
        self._folder.write(f"{self._name}.json", told)


class JobFolder:
    """A folder that belongs to one job, and to one process at a time."""

    def __init__(self, path: Path) -> None:
        """Take the path; the folder is made when the job begins."""
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Take the folder.

        Raises:
            DirectoryInUse: another process works on this job.
            OSError: the folder cannot be made.
        """
        (self.path / "parts").mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path / "job.lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as failure:
            os.close(self._lock)
            raise DirectoryInUse(path=str(self.path)) from failure
        for left in [*self.path.glob(_UNFINISHED), *self.path.glob(f"parts/{_UNFINISHED}")]:
            left.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the folder as it is."""
        if self._lock is not None:
            os.close(self._lock)

    def pinned(self, question: Mapping[str, Any]) -> Pinned | None:
        """Return what the job answers from; None if it has not begun.

        Raises:
            InvalidQuestion: the folder is that of another question, or cannot be read.
        """
        path = self.path / "job.json"
        if not path.exists():
            return None
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            known, pinned = document["question"], Pinned.read(document["pinned"])
            same = document["format"] == _FORMAT and known == json.loads(json.dumps(question))
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as failure:
            raise InvalidQuestion(part="--resume", detail=f"{path}: {failure!r}") from failure
        if not same:
            detail = f"{self.path}: 是另一问题的作业 it is the job of another question: {json.dumps(known)}"
            raise InvalidQuestion(part="--resume", detail=detail)
        return pinned

    def pin(self, question: Mapping[str, Any], pinned: Pinned) -> None:
        """Keep what the job answers from."""
        document = {"format": _FORMAT, "question": question, "pinned": pinned.document()}
        self.write("job.json", document)

    def part(self, dataset: str) -> Part | None:
        """Return a finished part; None if there is none whose bytes are those that were written."""
        name = _name(dataset)
        rows = self.path / f"{name}.arrow"
        try:
            told = json.loads((self.path / f"{name}.json").read_bytes())
            if _sha256(rows) != told["sha256"]:
                return None
            member = MemberOutcome(**{**told["member"], "outcome": Outcome(told["member"]["outcome"])})
            notices = tuple(Notice(**notice) for notice in told["notices"])
            return Part(member, rows, notices, receipt_of(told["receipt"]) if told.get("receipt") else None)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def draft(self, dataset: str, schema: pa.Schema) -> Draft:
        """Begin to write a part; raises as `Draft.write`."""
        return Draft(self, dataset, schema)

    @property
    def place(self) -> str:
        """Name the folder where it has no room."""
        return f"作业目录 the job's folder {self.path}"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Tell a disk without room as such.

        Raises:
            DiskFull: in place of what the system raises then.
        """
        try:
            yield
        except OSError as failure:
            if not is_full(failure):
                raise
            raise DiskFull(place=self.place) from failure

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a document in place of what had its name, whole; durable on return.

        Raises: as `Draft.write`.
        """
        target = self.path / name
        draft = unfinished(target)
        with self.writing(), _gone(draft), draft.open("xb") as file:
            file.write(json.dumps(document, ensure_ascii=False, indent=2).encode())
            file.flush()
            os.fsync(file.fileno())
            draft.replace(target)


def unfinished(target: Path) -> Path:
    """Return a name, of no other, for what is not yet whole."""
    return target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")


@contextmanager
def _gone(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(dataset: str) -> str:
    return f"parts/{dataset.replace('/', '~')}"
