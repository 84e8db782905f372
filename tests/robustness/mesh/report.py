"""The report of runs, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.robustness.mesh.checker import Verdict
from tests.robustness.mesh.record import Entry, read_record

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Ran:
    """One run."""

    seed: int
    record: Path
    verdict: Verdict | None
    """None if it did not come to its end."""

    @property
    def broken(self) -> bool:
        """Tell whether a law was broken, or nobody can tell."""
        return self.verdict is None or bool(self.verdict.breaches)


def report(runs: Sequence[Ran]) -> str:
    """Return what runs came to, as Markdown: first those that broke laws, then each with its schedule."""
    broken = [run for run in runs if run.broken]
    lines = [f"# Robustness: {len(runs)} runs, {len(broken)} broken", ""]
    lines += [f"- seed {run.seed}: {_sentence(run)}" for run in broken]
    for run in runs:
        lines += ["", *_one(run)]
    return "\n".join(lines) + "\n"


def _sentence(run: Ran) -> str:
    if run.verdict is None:
        return "did not come to its end; its output tells why"
    return "; ".join(sorted({breach.law for breach in run.verdict.breaches})) or "no law was broken"


def _one(run: Ran) -> list[str]:
    found = next((entry for entry in _entries(run.record) if entry["kind"] == "run"), None)
    lines = [f"## Seed {run.seed}", "", f"What it came to: {_sentence(run)}.", ""]
    lines += [f"Network: {found['network']}.", ""] if found else []
    if run.verdict is not None:
        breaches = run.verdict.breaches
        lines += [f"- **{breach.law}**: {breach.what}" for breach in breaches[:_SHOWN]]
        lines += ["", "| what | how many |", "|---|---|"]
        lines += [f"| {name} | {count} |" for name, count in sorted(run.verdict.counts.items())]
        lines += ["", *_lateness(run.verdict)]
    return [*lines, "```", *(found["schedule"] if found else ()), "```"]


def _entries(record: Path) -> list[Entry]:
    return list(read_record(record)) if record.exists() else []


def _lateness(verdict: Verdict) -> list[str]:
    if not verdict.lateness:
        return ["No question ended after its deadline.", ""]
    late, own = sorted(verdict.lateness), sorted(verdict.own_lateness)
    return [
        f"{len(late)} questions ended after their deadline: {_ms(late)}; the asking process itself was late meanwhile: "
        f"{_ms(own)}.",
        "",
    ]


def _ms(values: list[float]) -> str:
    return f"median {1000 * values[len(values) // 2]:.0f} ms, at most {1000 * values[-1]:.0f} ms"
