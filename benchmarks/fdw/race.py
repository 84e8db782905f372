"""The three systems asked the same questions in turns, after their answers have been found equal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.agreement import Disagreement, require_same
from benchmarks.fdw.national import National, as_table
from benchmarks.fdw.variant import Variant
from benchmarks.processor import own_cpu_ms
from benchmarks.timing import Side, Timing
from guotu.client import Client

FDW, POSTGIS, DUCKDB = "fdw", "guotu_postgis", "guotu_duckdb"


@dataclass(slots=True)
class Raced:
    """How the systems did at one question."""

    rows: list[int]
    """Of each variant."""
    form: str
    """In which form the question is put to the national database: the fastest of all."""
    forms_s: dict[str, float]
    """What each form took when it was tried, seconds."""
    times: dict[str, Timing] = field(default_factory=dict)
    load: list[float] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return rows, seconds (medians), the fastest round of each, how they compare, and the machine's load."""
        seconds = {name: timing.median_ms / 1000 for name, timing in self.times.items()}
        return {
            "rows": self.rows,
            "fdw_form": self.form,
            "fdw_forms_seconds": {name: round(value, 4) for name, value in self.forms_s.items()},
            "seconds": {name: round(value, 5) for name, value in seconds.items()},
            "best_seconds": {name: round(timing.best_ms / 1000, 5) for name, timing in self.times.items()},
            "speedup_postgis": round(seconds[FDW] / seconds[POSTGIS], 2),
            "speedup_duckdb": round(seconds[FDW] / seconds[DUCKDB], 2),
            "load": [round(min(self.load), 2), round(max(self.load), 2)],
        }


def race(
    national: National, meshes: Mapping[str, Client], variants: Sequence[Variant], rounds: int, closeness: float
) -> Raced:
    """Check that all give the same answers to all variants, choose the fastest SQL, then measure in turns.

    Every round asks another variant, so that no system can have the answer ready. Areas may differ by `closeness`,
    relative (see `_require_close`).

    Raises:
        Disagreement: two answers differ.
    """
    form, tried = _fastest_form(national, variants)
    raced = Raced([_agree(national, meshes, variant, closeness) for variant in variants], form, tried)
    asks: dict[str, Callable[[Variant], object]] = {FDW: partial(_of_national, national, form)}
    asks |= {name: partial(_of_mesh, client) for name, client in meshes.items()}
    raced.times = {name: Timing() for name in asks}
    order = list(asks)
    for number in range(rounds):
        variant = variants[number % len(variants)]
        for name in order:
            raced.times[name].take(Side(partial(asks[name], variant), own_cpu_ms))
        raced.load.append(os.getloadavg()[0])
        order.append(order.pop(0))
    return raced


def _of_national(national: National, form: str, variant: Variant) -> object:
    return national.ask(variant, form)


def _of_mesh(client: Client, variant: Variant) -> pa.Table:
    return client.ask(variant.mesh).table()


def _fastest_form(national: National, variants: Sequence[Variant]) -> tuple[str, dict[str, float]]:
    """Try every form, once for each of two variants; the sum tells."""
    tried: dict[str, float] = {}
    national.ask(variants[0], next(iter(variants[0].forms)))
    for form in variants[0].forms:
        started = time.perf_counter()
        for variant in variants[:2]:
            national.ask(variant, form)
        tried[form] = (time.perf_counter() - started) / len(variants[:2])
    return min(tried, key=tried.__getitem__), tried


def _agree(national: National, meshes: Mapping[str, Client], variant: Variant, closeness: float) -> int:
    """Compare the answers; return the rows."""
    answers = {name: _of_mesh(client, variant) for name, client in meshes.items()}
    schema = next(iter(answers.values())).schema
    rows = 0
    for form in variant.forms:
        told = f"{variant.question}, {variant.name}, {form}"
        expected = as_table(national.ask(variant, form), plain(schema))
        for name, answer in answers.items():
            exact, told_exactly = (table.drop_columns(list(variant.close)) for table in (answer, expected))
            rows = require_same(f"{told}, {name}", exact, told_exactly, variant.key)
            _require_close(f"{told}, {name}", variant, (answer, expected), closeness)
    return rows


def _require_close(told: str, variant: Variant, tables: tuple[pa.Table, pa.Table], closeness: float) -> None:
    """Compare areas: each may differ by `closeness` of all that its first key has.

    One engine takes an edge as straight in degrees, the other as a geodesic; where a parcel is cut along a long edge,
    that is some square metres between the two sides.

    Raises:
        Disagreement: they differ by more.
    """
    if not variant.close:
        return
    found, expected = (table.sort_by([(name, "ascending") for name in variant.key]) for table in tables)
    first = pc.dictionary_encode(expected[variant.key[0]].combine_chunks()).indices.to_numpy()
    for name in variant.close:
        left, right = (table[name].cast(pa.float64()).to_numpy() for table in (found, expected))
        whole = np.bincount(first, right)[first]
        if (np.abs(left - right) > whole * closeness).any():
            raise Disagreement(f"{told}: {name} differs by up to {np.abs(left - right).max()}")


def plain(schema: pa.Schema) -> pa.Schema:
    """Return a schema whose extension types are those that they are stored as."""
    return pa.schema([(item.name, _stored(item.type)) for item in schema])


def _stored(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
