"""Asks questions of all kinds at all nodes, and writes down what came of each."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from guotu.client import Client
from guotu.model.answer import Completeness
from guotu.model.errors import GuotuError
from tests.robustness.mesh.contents import plots_of
from tests.robustness.mesh.family import BY_NODE, NODES, subtree
from tests.robustness.mesh.heartbeat import Heartbeat, waits_s
from tests.robustness.mesh.questions import ORDERED, Kind, any_kind, row_of
from tests.robustness.mesh.record import Recorder

_TIMEOUTS = (0.5, 1.5, 4.0, 4.0)
"""Deadlines given, seconds."""


@dataclass(frozen=True)
class Asked:
    """One question, as it may be asked once more."""

    entry: str
    kind: Kind
    subject: str
    partial: bool
    timeout: float
    cut: dict[str, int]
    alone: bool = False
    """Whether it is about the subject's dataset alone, which any node may be asked for."""

    def facts(self) -> dict[str, Any]:
        """Return it as the record has it."""
        return {
            "entry": self.entry, "question": self.kind.name, "subject": self.subject, "partial": self.partial,
            "timeout": self.timeout, "pinned": self.cut, "alone": self.alone,
        }  # fmt: skip


class Asker:
    """One thread that asks without pause until it is told to stop."""

    def __init__(
        self, seed: int, address_of: Callable[[str], Client], recorder: Recorder, heartbeat: Heartbeat, name: str
    ) -> None:
        self._luck = random.Random(f"{seed}/{name}")
        self._connect, self._recorder, self._heartbeat, self._name = address_of, recorder, heartbeat, name
        self._earlier: list[Asked] = []
        self._number = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        clients: dict[str, Client] = {}
        try:
            while not self.stop.is_set():
                asked = self._next()
                if asked.entry not in clients:
                    clients[asked.entry] = self._connect(asked.entry)
                self.ask(asked, clients[asked.entry])
                self.stop.wait(0.02)
        finally:
            for client in clients.values():
                client.close()

    def _next(self) -> Asked:
        """Return a question by chance; one in six is asked before, at the cut that its answer had."""
        if self._earlier and self._luck.random() < 0.16:
            return self._earlier.pop(self._luck.randrange(len(self._earlier)))
        entry = NODES[0] if self._luck.random() < 0.4 else self._luck.choice(NODES)
        alone = self._luck.random() < 0.12
        subject = self._luck.choice(NODES if alone else subtree(entry))
        partial = self._luck.random() < 0.6
        return Asked(entry, any_kind(self._luck), subject, partial, self._luck.choice(_TIMEOUTS), {}, alone)

    def ask(self, asked: Asked, client: Client) -> None:
        """Ask it and write down what came of it."""
        self._number += 1
        number = f"{self._name}-{self._number}"
        self._recorder.note("asked", number=number, **asked.facts())
        dataset = BY_NODE[asked.subject].dataset if asked.alone else ""
        given = {"scope": "subtree", "partial": asked.partial, "cut": asked.cut or None, "dataset": dataset}
        question = asked.kind.ask(asked.subject, given)
        found: dict[str, Any] = {}
        waits, began = waits_s(), time.monotonic()
        try:
            answer = client.ask(question, asked.timeout)
            found["cut"] = dict(answer.cut)
            batches = list(answer.batches())
            took = time.monotonic() - began
            found |= _told(answer.completeness) | {"digest": answer.digest.hex()}
        except GuotuError as failure:
            took = time.monotonic() - began
            batches = []
            found |= {"error": failure.reason, "detail": failure.english[:300]}
            if failure.completeness is not None:
                found |= _told(failure.completeness)
        late = self._heartbeat.lateness(began, waits)
        if "error" not in found:
            found["rows"], found["alien"] = _rows(asked.kind, [batch.rows for batch in batches])
            if found["complete"] and not asked.cut:
                self._earlier.append(replace(asked, cut=dict(answer.cut)))
                del self._earlier[:-30]
        self._recorder.note(
            "ask", number=number, at=round(began, 3), took=round(took, 4), late=round(late, 4), **asked.facts(), **found
        )


def _told(completeness: Completeness) -> dict[str, Any]:
    members = [
        [item.node, str(item.outcome), item.reason, item.version, item.rows, item.truncated, item.replica]
        for item in completeness.members
    ]
    return {"complete": completeness.complete, "stale": completeness.stale_registry, "members": members}


def _rows(kind: Kind, batches: list[Any]) -> tuple[list[Any], list[str]]:
    """Return the rows as the record has them, and those that no owner ever wrote."""
    if kind.merged:
        rows = [list(row.values()) for batch in batches for row in batch.to_pylist()]
        return [[value if isinstance(value, int | None) else str(value) for value in row] for row in rows], []
    rows, alien = [], []
    for plot, text in plots_of(batches):
        if plot is None:
            alien.append(text)
        else:
            rows.append(row_of(plot))
    return rows if kind.name in ORDERED else sorted(rows), alien[:3]
