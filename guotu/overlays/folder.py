"""A job's folder: what was asked and at which versions, and the parts that are finished, each proven by its hash.

`job.json` is written once the versions are known. A part is `parts/NODE~COLLECTION.arrow` (Arrow IPC file) and, written
after it, `.json` with its SHA-256, the member's outcome and warnings: a part without it, or with other bytes, is not
there. Files come to their names whole, so that a crash at any line leaves a folder with which one can go on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from guotu.model.answer import MemberOutcome, Notice, Outcome
from guotu.model.errors import DirectoryInUse, InvalidQuestion

_FORMAT = 1


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

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        schema = self.schema.serialize().to_pybytes().hex()
        return {"node": self.node, "datasets": dict(self.datasets), "zones": dict(self.zones), "schema": schema}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Return what `document` gave."""
        schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(document["schema"])))
        return cls(document["node"], document["datasets"], document["zones"], schema)


@dataclass(frozen=True, slots=True)
class Part:
    """One member's finished part."""

    member: MemberOutcome
    rows: pa.Table
    notices: tuple[Notice, ...] = ()
    """What the caller should know of it."""


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
        self._write("job.json", json.dumps(document, ensure_ascii=False, indent=2).encode())

    def part(self, dataset: str) -> Part | None:
        """Return a finished part; None if there is none whose bytes are those that were written."""
        name = _name(dataset)
        try:
            told = json.loads((self.path / f"{name}.json").read_bytes())
            data = (self.path / f"{name}.arrow").read_bytes()
            if hashlib.sha256(data).hexdigest() != told["sha256"]:
                return None
            member = MemberOutcome(**{**told["member"], "outcome": Outcome(told["member"]["outcome"])})
            notices = tuple(Notice(**item) for item in told["notices"])
            return Part(member, pa.ipc.open_file(pa.py_buffer(data)).read_all(), notices)
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            return None

    def keep(self, dataset: str, part: Part) -> None:
        """Keep a finished part; durable on return."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, part.rows.schema) as writer:
            writer.write_table(part.rows)
        data = sink.getvalue().to_pybytes()
        told = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "member": asdict(part.member),
            "notices": [asdict(notice) for notice in part.notices],
        }
        name = _name(dataset)
        with suppress(FileNotFoundError):
            (self.path / f"{name}.json").unlink()
        self._write(f"{name}.arrow", data)
        self._write(f"{name}.json", json.dumps(told, ensure_ascii=False, indent=2).encode())

    def _write(self, name: str, data: bytes) -> None:
        target = self.path / name
        unfinished = target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)


def _name(dataset: str) -> str:
    return f"parts/{dataset.replace('/', '~')}"
