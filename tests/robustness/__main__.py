"""Runs of the mesh under faults: `python -m tests.robustness --runs 3 --seed 7`; `make robustness RUNS=3`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.robustness.mesh.checker import check
from tests.robustness.mesh.namespaces import own_network
from tests.robustness.mesh.record import read_record
from tests.robustness.mesh.report import write_report
from tests.robustness.mesh.run import Order, perform

_ONE = "--one"


def main() -> int:
    """Run, check, and write a report; the exit code is 1 if a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="how many, one seed after the other")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long faults may begin in each run")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/robustness"), help="folder of records")
    parser.add_argument("--relays", action="store_true", help="make no network namespaces, only relays")
    parser.add_argument(_ONE, metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        return _one(given)
    before = [] if given.relays else own_network()
    given.out.mkdir(parents=True, exist_ok=True)
    broken = 0
    for seed in range(given.seed, given.seed + given.runs):
        record = given.out / f"{seed}.jsonl"
        code = _in_child(before, seed, given)
        verdict = check(read_record(record)) if code == 0 else None
        broken += verdict is None or bool(verdict.breaches)
        write_report(given.out / f"{seed}.md", seed, record, verdict)
        print((given.out / f"{seed}.md").read_text(encoding="utf-8"), flush=True)
    return 1 if broken else 0


def _in_child(before: list[str], seed: int, given: argparse.Namespace) -> int:
    """Run once in a process with a network of its own, whose folder is gone afterwards; returns its exit code."""
    folder = Path(tempfile.mkdtemp(prefix="gt-"))
    words = ["--seed", str(seed), "--seconds", str(given.seconds), "--out", str(given.out), _ONE, str(folder)]
    words += [] if before else ["--relays"]
    # It starts programs while other threads ask: gRPC's own handlers of a fork are not made for that.
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"}
    child = subprocess.Popen([*before, sys.executable, "-m", "tests.robustness", *words], env=environment)
    try:
        return child.wait()
    except KeyboardInterrupt:
        # It had the same signal from the terminal, and takes everything down.
        return child.wait()
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait()
        for log in folder.glob("*/node.log"):
            shutil.copy(log, given.out / f"{seed}-{log.parent.name}.log")
        shutil.rmtree(folder, ignore_errors=True)


def _one(given: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder, record = given.one, given.out / f"{given.seed}.jsonl"
    os.environ.pop("GUOTU_NODE", None)
    perform(Order(given.seed, given.seconds, not given.relays), folder, record, lambda text: print(text, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
