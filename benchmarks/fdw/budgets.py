"""Budgets of the comparison with postgres_fdw: how many times faster the mesh has to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DUCKDB_BUDGETS = {"retrieve": 5.0, "group_by": 20.0, "group_by_class": 20.0, "overlay": 10.0}
"""With embedded stores."""
POSTGIS_BUDGETS = {"group_by": 3.0, "group_by_class": 3.0, "overlay": 3.0}
"""With PostGIS stores; questions that are not named have to be no slower."""


def verdicts(questions: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, bool]]:
    """Tell by store and question whether the speed-up is what it has to be; questions without a budget are left out."""
    return {
        "postgis": {
            name: told["speedup_postgis"] >= POSTGIS_BUDGETS.get(name, 1.0) for name, told in questions.items()
        },
        "duckdb": {
            name: told["speedup_duckdb"] >= DUCKDB_BUDGETS[name]
            for name, told in questions.items()
            if name in DUCKDB_BUDGETS
        },
    }
