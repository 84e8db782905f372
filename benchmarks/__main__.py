"""Runs a benchmark: `python -m benchmarks NAME --out FILE.json`; prints a table, and writes all numbers as JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.table import Table

NAMES = ("registry", "federation", "publish", "replication", "stores", "table", "fdw", "scale", "overlay", "failover")
_TERMINATED = 143


def main(words: Sequence[str]) -> int:
    """Run one benchmark; its own options are those that its module's `add_arguments(parser)` adds."""
    choice = argparse.ArgumentParser("python -m benchmarks", description=__doc__, add_help=False)
    choice.add_argument("name", choices=NAMES, help="which benchmark 测试项目; NAME --help lists its own options")
    if not words or words[0] in ("-h", "--help"):
        choice.print_help()
        return 0 if words else 2
    name = choice.parse_args(words[:1]).name
    module = importlib.import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser(f"python -m benchmarks {name}", description=module.__doc__)
    parser.add_argument("--out", type=Path, help="write all numbers here as JSON 结果文件")
    if hasattr(module, "add_arguments"):
        module.add_arguments(parser)
    arguments = parser.parse_args(words[1:])
    result = module.run(arguments)
    Console().print(_table(name, result))
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return 0


def _table(name: str, result: Mapping[str, object]) -> Table:
    table = Table("项目 measure", "结果 result", title=f"guotu benchmark: {name}")
    for measure, value in _flat("", result):
        table.add_row(measure, f"{value:,.4g}" if isinstance(value, float) else str(value))
    return table


def _flat(prefix: str, values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield ("a.b", value) for nested mappings."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield prefix + name, value


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End like an error does, so that processes and folders go."""
    raise SystemExit(_TERMINATED)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(main(sys.argv[1:]))
