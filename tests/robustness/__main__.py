"""Runs of the mesh under faults: `python -m tests.robustness --runs 3 --seed 7`; `make robustness RUNS=3`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from tests.robustness.mesh.checker import check
from tests.robustness.mesh.namespaces import own_network
from tests.robustness.mesh.record import read_record
from tests.robustness.mesh.report import Ran, report
from tests.robustness.mesh.run import Order, perform

_FAULTS_S = 120.0


def main() -> int:
    """Run, check, and write a report; the exit code is 1 if a law was broken or a run did not come to its end."""
    given = _arguments()
    if given.one is not None:
        return _one(given)
    _end_once()
    before = [] if given.relays else own_network()
    given.out.mkdir(parents=True, exist_ok=True)
    runs: list[Ran] = []
    for seed in range(given.seed, given.seed + given.runs):
        record = given.out / f"{seed}.jsonl"
        record.unlink(missing_ok=True)
        ended = _in_child(before, seed, given) == 0
        runs.append(Ran(seed, record, check(read_record(record)) if ended else None))
        (given.out / "report.md").write_text(report(runs), encoding="utf-8")
        print(report(runs[-1:]), flush=True)
    return 1 if any(run.broken for run in runs) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="how many, one seed after the other")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seconds", type=float, default=_FAULTS_S, help="how long faults may begin in each run")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/robustness"), help="records, logs, report.md")
    parser.add_argument("--relays", action="store_true", help="make no network namespaces, only relays")
    parser.add_argument("--one", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_child(before: list[str], seed: int, given: argparse.Namespace) -> int:
    """Run once in a process with a network of its own, whose folder is gone afterwards; returns its exit code."""
    folder = Path(tempfile.mkdtemp(prefix="gt-"))
    words = ["--seed", str(seed), "--seconds", str(given.seconds), "--out", str(given.out), "--one", str(folder)]
    words += [] if before else ["--relays"]
    # It starts programs while other threads ask: gRPC's own handlers of a fork are not made for that.
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"}
    child = subprocess.Popen(
        [*before, sys.executable, "-m", "tests.robustness", *words], stdin=subprocess.PIPE, env=environment
    )
    try:
        return child.wait()
    finally:
        # Its input ends, and with that it takes everything down; also where this process is killed.
        child.communicate()
        _end_database(folder)
        for log in folder.glob("*/node.log"):
            shutil.copy(log, given.out / f"{seed}-{log.parent.name}.log")
        shutil.rmtree(folder, ignore_errors=True)


def _one(given: argparse.Namespace) -> int:
    _end_once()
    threading.Thread(target=_end_with_input, daemon=True).start()
    record = given.out / f"{given.seed}.jsonl"
    order = Order(given.seed, given.seconds, not given.relays)
    perform(order, given.one, record, lambda text: print(text, flush=True))
    return 0


def _end_database(folder: Path) -> None:
    """End the PostgreSQL of a run that could not do so itself, since it was killed: it is nobody's child."""
    file = folder / "pg" / "data" / "postmaster.pid"
    if file.exists():
        with suppress(ProcessLookupError):
            os.kill(int(file.read_text(encoding="ascii").split()[0]), signal.SIGQUIT)


def _end_once() -> None:
    """Take everything down when this process is asked to end, and let nothing disturb that."""

    def end(number: int, _: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def _end_with_input() -> None:
    """Have this process end as soon as the one that started it has."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
