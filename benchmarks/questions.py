"""The questions of the federation benchmark, each for the mesh and as SQL for one engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import shapely

from benchmarks.single_engine import TABLE, SingleEngine, outgoing
from benchmarks.windows import PLACES, Place, disc
from guotu.client import Client
from guotu.model.asking import aggregates, selection
from guotu.model.collection import Collection
from guotu.model.question import Query, Question, Stats

RETRIEVE_KM = 50.0
FILTER_KM = 200.0
_FILTER_FIELDS = ("BSM", "DLBM", "ZLDWDM", "TBMJ", "geometry")
_CLASS = "01"  # 耕地, all arable land
_MIDDLE = disc(106.0, 29.3, 200.0)

_BOUNDS = "_xmax >= $1 AND _ymax >= $2 AND _xmin <= $3 AND _ymin <= $4"
_INSIDE = "_xmin >= $1 AND _ymin >= $2 AND _xmax <= $3 AND _ymax <= $4"
_IN_WINDOW = f"{_BOUNDS} AND (({_INSIDE}) OR ST_Intersects(ST_MakeEnvelope($1, $2, $3, $4), geometry))"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to ask a question: the same for both sides."""

    question: str
    """"retrieve", "filter", "group_by" or "count"."""
    name: str
    mesh: Question
    sql: str
    parameters: tuple[Any, ...]
    key: tuple[str, ...]
    """Columns that tell the rows of the answer apart."""

    def ask_mesh(self, client: Client) -> Any:
        """Return the mesh's answer as an Arrow table."""
        return client.ask(self.mesh).table()

    def ask_engine(self, engine: SingleEngine) -> Any:
        """Return the engine's answer as an Arrow table."""
        return engine.fetch(self.sql, self.parameters)


def variants(collection: Collection, area_m2: float) -> list[Variant]:
    """Return all questions; `area_m2` is what a parcel must exceed in `filter` and `count`."""
    return [
        *(retrieve(collection, place) for place in PLACES),
        *(filtered(collection, place, area_m2) for place in PLACES),
        grouped(collection),
        counted(collection, area_m2),
    ]


def retrieve(collection: Collection, place: Place) -> Variant:
    """All columns of the parcels that meet a window of 50 km."""
    window = place.window(RETRIEVE_KM)
    mesh = Query(collection.id, selection("", window, None, ""))
    sql = f"SELECT {outgoing(collection, collection.column_names)} FROM {TABLE} WHERE {_IN_WINDOW}"
    return Variant("retrieve", place.name, mesh, sql, window, (collection.key,))


def filtered(collection: Collection, place: Place, area_m2: float) -> Variant:
    """Some columns of the larger arable parcels that meet a window of 200 km."""
    window = place.window(FILTER_KM)
    where = f"DLBM LIKE '{_CLASS}%' AND TBMJ > {area_m2!r}"
    mesh = Query(collection.id, selection(where, window, None, ""), fields=_FILTER_FIELDS)
    sql = (
        f"SELECT {outgoing(collection, _FILTER_FIELDS)} FROM {TABLE} WHERE DLBM LIKE $5 AND TBMJ > $6 AND {_IN_WINDOW}"
    )
    parameters = (*window, f"{_CLASS}%", area_m2)
    return Variant("filter", place.name, mesh, sql, parameters, (collection.key,))


def grouped(collection: Collection) -> Variant:
    """Count and exact area by class and county, of the whole nation."""
    groups = ("county", "DLBM")
    mesh = Stats(collection.id, aggregates(True, ["TBMJ"], [], [], []), groups)
    sql = (
        f"SELECT left({collection.division_field}, 6) AS county, DLBM, count(*) AS count, sum(TBMJ) AS sum_TBMJ "
        f"FROM {TABLE} GROUP BY 1, 2"
    )
    return Variant("group_by", "全国 national", mesh, sql, (), groups)


def counted(collection: Collection, area_m2: float) -> Variant:
    """The number of larger arable parcels within a polygon across three provinces."""
    where = f"DLBM LIKE '{_CLASS}%' AND TBMJ > {area_m2!r}"
    mesh = Stats(collection.id, aggregates(True, [], [], [], []), (), selection(where, None, _MIDDLE, ""))
    sql = (
        f"SELECT count(*) AS count FROM {TABLE} WHERE DLBM LIKE $5 AND TBMJ > $6 AND {_INSIDE} "
        "AND ST_Contains(ST_GeomFromWKB($7), geometry)"
    )
    parameters = (*shapely.bounds(_MIDDLE).tolist(), f"{_CLASS}%", area_m2, shapely.to_wkb(_MIDDLE))
    return Variant("count", "全国 national", mesh, sql, parameters, ())


def names(questions: Sequence[Variant]) -> list[str]:
    """Return the names of the questions, each once, in order."""
    return list(dict.fromkeys(item.question for item in questions))
