"""Publishes at all owners, layers and increments, and writes down what was acknowledged."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guotu.client import Client
from guotu.model.errors import GuotuError
from guotu.wire.admin import AdminClient, PublishHeader, PublishResult
from tests.robustness.mesh.contents import Contents, Layer, Plot, batch_of
from tests.robustness.mesh.family import COLLECTION, NODES
from tests.robustness.mesh.record import Recorder

_WORD = "attempt "
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Head:
    """An owner's head as the publisher knows it."""

    attempt: int
    manifest: str
    """Empty if it knows the content alone."""


def attempt_of(message: str) -> int:
    """Return which attempt made a version, by its message."""
    return int(message.removeprefix(_WORD))


class Publisher:
    """One thread that publishes for some owners, one at a time, until it is told to stop."""

    def __init__(
        self,
        seed: int,
        owners: tuple[str, ...],
        socket_of: Callable[[str], Path],
        connect: Callable[[str], Client],
        recorder: Recorder,
        contents: Contents,
    ) -> None:
        self._luck = random.Random(f"{seed}/{owners}")
        self._owners, self._socket_of, self._connect = owners, socket_of, connect
        self._recorder, self._contents = recorder, contents
        self._tried = dict.fromkeys(NODES, 0)
        self._heads: dict[str, Head | None] = {node: Head(0, "") for node in NODES}
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def first(self) -> None:
        """Publish the first version of each owner.

        Raises:
            AssertionError: one was not acknowledged.
        """
        for owner in self._owners:
            self.publish(owner)
            head = self._heads[owner]
            assert head == Head(1, head.manifest if head else ""), f"{owner} did not publish its first version"

    def _run(self) -> None:
        while not self.stop.is_set():
            self.publish(self._luck.choice(self._owners))
            self.stop.wait(self._luck.uniform(0.05, 0.4))

    def publish(self, owner: str) -> None:
        """Publish the next layer of an owner, as a whole or as what changed, and write down how it ended."""
        head = self._heads[owner]
        if head is None and (head := self._read_head(owner)) is None:
            return
        self._tried[owner] += 1
        attempt = self._tried[owner]
        increment = bool(head.manifest) and self._luck.random() < 0.5
        self._heads[owner] = None
        facts = {"owner": owner, "attempt": attempt, "increment": increment}
        self._recorder.note("publishing", **facts)
        began = time.monotonic()
        found: dict[str, Any] = {}
        try:
            result = self._send(owner, attempt, head if increment else None)
            if result.published and result.dataset is not None:
                found = {"version": result.dataset.version}
                self._heads[owner] = Head(attempt, result.dataset.manifest)
            else:
                found = {"error": "NOT_PUBLISHED", "detail": result.report_json.decode()[:400]}
        except GuotuError as failure:
            found = {"error": failure.reason, "detail": failure.english[:300]}
        took = round(time.monotonic() - began, 3)
        self._recorder.note("publish", at=round(began, 3), took=took, **facts, **found)

    def _send(self, owner: str, attempt: int, since: Head | None) -> PublishResult:
        after = self._contents.layer(owner, attempt)
        before: Layer = self._contents.layer(owner, since.attempt) if since else {}
        written = [Plot(owner, number, at) for number, at in sorted(after.items()) if before.get(number) != at]
        gone = [Plot(owner, number, at).key for number, at in sorted(before.items()) if number not in after]
        rows, deletes = batch_of(written), batch_of([]).select(["BSM"])
        if gone:
            deletes = deletes.from_pydict({"BSM": gone})
        header = PublishHeader(
            COLLECTION,
            rows.schema,
            uuid.UUID(int=self._luck.getrandbits(128)).hex,
            message=f"{_WORD}{attempt}",
            force_bounds=True,
            increment=since is not None,
            deletes_schema=deletes.schema if gone else None,
            expected_head=since.manifest if since else "",
        )
        with AdminClient(self._socket_of(owner)) as admin:
            for frame in admin.publish(header, [rows], [deletes] if gone else []):
                if isinstance(frame, PublishResult):
                    return frame
        raise AssertionError("a publish ended without a result")

    def _read_head(self, owner: str) -> Head | None:
        """Return the head after a publish of which nobody knows how it ended; None if the owner does not tell yet."""
        try:
            with self._connect(owner) as client:
                newest = client.versions(f"{owner}/{COLLECTION}")[:1]
        except GuotuError:
            return None
        return Head(attempt_of(newest[0].message), newest[0].manifest) if newest else Head(0, "")
