"""The report of one run, for people."""

from __future__ import annotations

from pathlib import Path

from tests.robustness.mesh.checker import Verdict
from tests.robustness.mesh.record import read_record


def write_report(path: Path, seed: int, record: Path, verdict: Verdict | None) -> None:
    """Write what a run was, what it came to, and each law that was broken; no verdict if it did not come to its end."""
    run = next((entry for entry in read_record(record) if entry["kind"] == "run"), None) if record.exists() else None
    lines = [f"# Robustness, seed {seed}", ""]
    lines += [f"Network: {run['network']}.", ""] if run else []
    if verdict is None:
        lines += ["**The run did not come to its end**; its output tells why.", ""]
    else:
        lines += ["No law was broken." if not verdict.breaches else f"**{len(verdict.breaches)} breaches:**", ""]
        lines += [f"- {breach.law}: {breach.what}" for breach in verdict.breaches[:60]]
        lines += ["", "| what | how many |", "|---|---|"]
        lines += [f"| {name} | {count} |" for name, count in sorted(verdict.counts.items())]
        lines += ["", *_lateness(verdict)]
    lines += ["## Schedule", "", "```", *(run["schedule"] if run else ()), "```", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


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
