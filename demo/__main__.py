"""`python -m demo`: a mesh of six nodes on real data, from nothing to answers, on this machine.

Exit codes: 0 it went well and every check passed; 1 a check failed, or something did not work; 130 interrupted;
143 terminated.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from demo.commands import CommandFailed
from demo.farewell import farewell
from demo.kept import AlreadyKept, Kept
from demo.process import ProcessEnded
from demo.report import Report
from demo.running import run, run_and_keep
from demo.screen import Screen
from guotu.model.errors import GuotuError

_WRONG, _INTERRUPTED, _TERMINATED = 1, 130, 143
_FAILURES = (GuotuError, CommandFailed, ProcessEnded, RuntimeError, TimeoutError, ValueError, OSError)


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


def main(given: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit code."""
    options = arguments(given)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    screen = Screen(color=not options.no_color)
    try:
        return _stop(screen) if options.stop else _demonstrate(screen, options)
    except KeyboardInterrupt:
        screen.failure("已中断，进程均已结束 interrupted; all processes have ended")
        return _INTERRUPTED
    except AlreadyKept as taken:
        screen.failure(str(taken))
    except _FAILURES as failure:
        screen.failure(f"演示未能完成 the demo did not reach its end: {failure}")
    return _WRONG


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End like an error does, so that processes and folders go."""
    raise SystemExit(_TERMINATED)


def _stop(screen: Screen) -> int:
    names = Kept().stop()
    if names:
        screen.say(f"已停止 stopped: {', '.join(names)}")
    else:
        screen.say("没有演示网在运行 no demo mesh runs in ./.demo")
    return 0


def _demonstrate(screen: Screen, options: argparse.Namespace) -> int:
    report = Report()
    mesh = None
    if options.keep:
        mesh = run_and_keep(report, screen, Kept())
    else:
        run(report, screen)
    screen.summary(report)
    if mesh is not None:
        farewell(mesh, screen)
    if options.report is not None:
        report.write(options.report)
        screen.say(f"报告 report: {options.report}")
    return 0 if report.passed else _WRONG


if __name__ == "__main__":
    sys.exit(main())
