"""Many clients at once, each with a mixture of questions of its own, for some seconds."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.fdw.national import asked, connected
from benchmarks.fdw.questions import looked_up, variants, window
from benchmarks.fdw.variant import Variant
from benchmarks.pg_cluster import PgCluster
from benchmarks.windows import PLACES
from demo.mesh import LocalMesh
from guotu.model.collection import Collection
from guotu.model.division import NATION

CLIENTS = 16
_SHARES = {"point": 8, "window": 4, "count": 2, "topn": 1, "group_by_class": 1}
"""Of 16 questions."""
_WINDOW_KM = 10.0
_SPREAD_KM = 60.0
_QUESTION_S = 60.0


@dataclass(slots=True)
class Crowd:
    """What the clients got."""

    seconds: float
    answers_s: dict[str, list[float]] = field(default_factory=dict)
    """What each answer took, by question, seconds."""

    def note(self, question: str, seconds: float) -> None:
        """Note an answer."""
        self.answers_s.setdefault(question, []).append(seconds)

    def document(self) -> dict[str, Any]:
        """Return answers a second and the 95th percentile of what one takes, in all and by question, seconds."""
        everything = [value for values in self.answers_s.values() for value in values]
        by_question = {name: _p95(values) for name, values in sorted(self.answers_s.items())}
        return {
            "answers_per_s": round(len(everything) / self.seconds, 1),
            "p95_seconds": _p95(everything),
            "p95_seconds_by_question": by_question,
        }


class Mixture:
    """Draws questions; each client has its own sequence, the same in every system."""

    def __init__(self, collection: Collection, keys: list[str], seed: int) -> None:
        self._collection = collection
        self._keys = keys
        self._fixed = variants(collection, keys)
        self._seed = seed

    def questions(self, client: int) -> Iterator[Variant]:
        """Yield questions without end; a window is named "window"."""
        luck = random.Random(f"{self._seed} {client}")
        names, shares = list(_SHARES), list(_SHARES.values())
        while True:
            (name,) = luck.choices(names, shares)
            if name == "point":
                yield looked_up(self._collection, luck.choice(self._keys))
            elif name == "window":
                yield self._window(luck)
            else:
                yield luck.choice(self._fixed[name])

    def _window(self, luck: random.Random) -> Variant:
        place = luck.choice(PLACES)
        west, south, east, north = place.window(_SPREAD_KM)
        centre = type(place)("window", luck.uniform(west, east), luck.uniform(south, north))
        return window(self._collection, "window", centre.window(_WINDOW_KM))


def crowd_of_mesh(mesh: LocalMesh, mixture: Mixture, seconds: float) -> Crowd:
    """Ask a mesh from as many threads as there are clients, each with a connection of its own."""
    crowd, begin = Crowd(seconds), threading.Barrier(CLIENTS)
    faults: list[BaseException] = []

    def run(number: int) -> None:
        try:
            with mesh.client(NATION, timeout=_QUESTION_S) as client:
                client.node()
                begin.wait()
                for variant, note in _timed(crowd, mixture.questions(number), seconds):
                    client.ask(variant.mesh).table()
                    note()
        except BaseException as fault:
            faults.append(fault)
            begin.abort()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return crowd


def crowd_of_national(cluster: PgCluster, mixture: Mixture, forms: Mapping[str, str], seconds: float) -> Crowd:
    """Ask the national database over as many connections as there are clients, in one loop."""
    crowd = Crowd(seconds)

    async def run(number: int, connection: Any) -> None:
        for variant, note in _timed(crowd, mixture.questions(number), seconds):
            await asked(connection, variant, forms[variant.question])
            note()

    async def everybody() -> None:
        connections = [await connected(cluster, "auto") for _ in range(CLIENTS)]
        for connection in connections:
            await connection.fetch("SELECT count(*) FROM dltb WHERE \"BSM\" = ''")
        await asyncio.gather(*[run(number, connection) for number, connection in enumerate(connections)])
        for connection in connections:
            connection.terminate()

    asyncio.run(everybody())
    return crowd


def _timed(crowd: Crowd, questions: Iterator[Variant], seconds: float) -> Iterator[tuple[Variant, Callable[[], None]]]:
    """Yield questions until the time is over, each with what notes that it was answered."""
    ends = time.perf_counter() + seconds
    while (started := time.perf_counter()) < ends:
        variant = next(questions)
        name = "window" if variant.name == "window" else variant.question
        yield variant, lambda: crowd.note(name, time.perf_counter() - started)  # noqa: B023 (called before the next)


def _p95(values: list[float]) -> float:
    return round(float(np.percentile(values, 95)), 4)
