"""Questions put to a directory of the whole country: listing datasets, and planning."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from federation.planning.planner import Planner
from guotu.model.ports import Directory, DirectoryView
from guotu.model.question import Query, Selection
from guotu.model.records import Extent
from registry.catalogue import national_catalogue_path, parse_catalogue
from registry.shelf import Shelf

Task = Callable[[], object]
_REPEAT = 21
_CITY = Extent(103.9, 30.5, 104.2, 30.8)


def timings(tasks: Mapping[str, Task]) -> dict[str, dict[str, float]]:
    """Return milliseconds of each task: the first time, and the median of later times."""
    result = {}
    for name, task in tasks.items():
        taken = []
        for _ in range(_REPEAT):
            began = time.perf_counter()
            task()
            taken.append((time.perf_counter() - began) * 1000)
        result[name] = {"first": taken[0], "median": statistics.median(taken[1:])}
    return result


def selections(view: DirectoryView) -> dict[str, Task]:
    """Return tasks that list the datasets of a collection: in the nation, and in one province."""
    nation, province = view.datasets["layer_00"], view.datasets["layer_01"]
    return {
        "nation": lambda: list(nation.values()),
        "province": lambda: [province[dataset] for dataset in province if dataset.startswith("51")],
    }


def plans(directory: Directory) -> dict[str, Task]:
    """Return tasks that plan: a whole collection for the nation, the same with a window, for a province, and anew."""
    parcels = next(item for item in parse_catalogue(national_catalogue_path()).collections if item.id == "dltb")
    second, third = replace(parcels, id="layer_02"), replace(parcels, id="layer_03")
    nation = Planner("100000", directory, dict)
    province = Planner("510000", directory, dict)
    turning = Planner("100000", _Turning(directory, second.id), dict)
    window = Selection(bbox=_CITY)
    return {
        "nation": lambda: nation.plan(Query(second.id), second),
        "nation_window": lambda: nation.plan(Query(second.id, window), second),
        "province": lambda: province.plan(Query(third.id), third),
        "nation_after_a_publish": lambda: turning.plan(Query(second.id), second),
    }


class _Turning:
    """A directory in which one collection has always just changed."""

    def __init__(self, directory: Directory, collection: str) -> None:
        self._directory = directory
        self._collection = collection

    def view(self) -> DirectoryView:
        """Return the view with the collection's shelf made anew."""
        view = self._directory.view()
        shelf = view.datasets[self._collection]
        assert isinstance(shelf, Shelf)
        return replace(view, datasets={**view.datasets, self._collection: shelf.changed({})})
