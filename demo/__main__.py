"""`python -m demo`: a mesh of six nodes on real data, from nothing to answers, on this machine.

Exit codes: 0 everything went well and every check passed; 1 a check failed, or something did not work;
130 interrupted; 143 terminated.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from demo.commands import CommandFailed
from demo.farewell import farewell
from demo.kept import AlreadyKept, Kept
from demo.mesh import LocalMesh
from demo.owners import NODES
from demo.process import ProcessEnded
from demo.report import STEPS, Report
from demo.screen import Screen
from demo.story import Story
from guotu.model.errors import GuotuError

_INTERRUPTED, _TERMINATED = 130, 143
_FAILURES = (GuotuError, CommandFailed, ProcessEnded, RuntimeError, TimeoutError, ValueError, OSError)
_OVERRIDES = {
    "store.memory_limit_mib": 256,
    "store.threads": 1,
    # A node that dies leaves the list after this.
    "registry.lease_ttl_s": 5,
}


def run(report: Report, screen: Screen) -> None:
    """Run the demonstration in a folder that is gone afterwards, with all its processes."""
    with report.timed("total"), tempfile.TemporaryDirectory(prefix="guotu-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        with LocalMesh(root, NODES, _OVERRIDES) as mesh:
            Story(mesh, root / "work", screen, report).tell()
            screen.heading(STEPS["end"])
            with report.timed("end"):
                mesh.close()


def run_and_keep(report: Report, screen: Screen, kept: Kept) -> None:
    """Run the demonstration and leave its mesh running; nothing is left if it did not reach its end."""
    with kept.claim():
        try:
            with report.timed("total"), LocalMesh(kept.folder, NODES, _OVERRIDES) as mesh:
                Story(mesh, kept.folder / "work", screen, report).tell()
                kept.record(mesh.pids())
                mesh.detach()
        except BaseException:
            kept.discard()
            raise
        farewell(mesh, screen)


def stop(screen: Screen, kept: Kept) -> None:
    """End the mesh that was left running."""
    names = kept.stop()
    if names:
        screen.say(f"已停止 stopped: {', '.join(names)}")
    else:
        screen.say(f"{kept.folder} 中没有演示网在运行 no demo mesh runs here")


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m demo", description="国土演示：六个节点、真实数据 six nodes on real data, on this machine"
    )
    parser.add_argument("--keep", action="store_true", help="结束时不停止，留在 leave it running, in ./.demo")
    parser.add_argument("--stop", action="store_true", help="停止留下的演示网 stop the mesh that was left running")
    parser.add_argument("--report", type=Path, metavar="FILE", help="结果写入 JSON 文件 write what was found as JSON")
    parser.add_argument("--no-color", action="store_true", help="不用颜色 no colours")
    return parser.parse_args(given)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End like an error does, so that processes and folders go."""
    raise SystemExit(_TERMINATED)


def main(given: Sequence[str] | None = None) -> int:
    """Run the demonstration; return the exit code."""
    options = arguments(given)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    screen, report, kept = Screen(color=not options.no_color), Report(), Kept()
    try:
        if options.stop:
            stop(screen, kept)
            return 0
        if options.keep:
            run_and_keep(report, screen, kept)
        else:
            run(report, screen)
    except KeyboardInterrupt:
        screen.failure("已中断，进程均已结束 interrupted; all processes have ended")
        return _INTERRUPTED
    except AlreadyKept as taken:
        screen.failure(str(taken))
        return 1
    except _FAILURES as failure:
        screen.failure(f"演示未能完成 the demo did not reach its end: {failure}")
        return 1
    return conclude(report, screen, options.report)


def conclude(report: Report, screen: Screen, path: Path | None) -> int:
    """Show how it went and write the report; return the exit code."""
    screen.summary(report)
    if path is not None:
        report.write(path)
        screen.say(f"报告 report: {path}")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
