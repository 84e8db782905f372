"""The failover benchmark on a small mesh of real processes; how fast it is is not judged here."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bench_mesh import work_folder
from benchmarks.failover.budgets import verdicts
from benchmarks.failover.running import VICTIM, mesh_trials, questions
from benchmarks.failover.trials import Load
from benchmarks.narrator import Narrator
from benchmarks.owners import owned_parcels
from benchmarks.publication import national_collection


def test_a_replica_makes_the_answers_whole_that_would_be_partial(tmp_path: Path) -> None:
    collection, members = national_collection("dltb"), (VICTIM, "510000")
    files = owned_parcels(2000, 0, tmp_path)
    with work_folder(keep=False) as folder:
        load = Load(questions(collection)[1:3], rate=5.0, seconds=0.4)
        made = {member: files[member] for member in members}
        alone, replicated = mesh_trials(folder, members, collection, made, load, 8.0, Narrator(), ["silent"])
    assert set(alone["healthy"].told) == set(replicated["healthy"].told) == {"whole"}
    assert set(alone["silent"].told) == {"partial"}
    assert set(replicated["silent"].told) == {"whole"}
    assert {name: set(found) for name, found in verdicts(alone, replicated, 8.0).items()} == {
        "alone": {"silent"},
        "replicated": {"silent"},
    }
