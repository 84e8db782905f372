"""Questions as the command line asks them: options in, question out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guotu.model.division import dataset_id, is_division, split_dataset
from guotu.model.errors import InvalidQuestion

if TYPE_CHECKING:
    from guotu.client import Client
    from guotu.model.question import Options, Query, Selection, Stats


@dataclass(frozen=True, slots=True)
class Asked:
    """What every question has, as given."""

    collection: str
    where: str
    bbox: tuple[float, ...] | None
    within: str
    scope: str
    partial: bool
    versions: tuple[str, ...]
    cut: Path | None

    def selection(self) -> Selection:
        """Return the selection; reads the file that `--within` names.

        Raises:
            InvalidQuestion, InvalidCrs, TooLarge: as `node.cli.within.polygon_of`.
        """
        from guotu.client import selection
        from node.cli.within import polygon_of

        if not self.within or is_division(self.within):
            return selection(self.where, self.bbox, None, self.within)
        return selection(self.where, self.bbox, polygon_of(Path(self.within)), "")

    def options(self, client: Client) -> Options:
        """Return scope, completeness and cut; a bare version number is the asked node's own dataset's.

        Raises:
            InvalidQuestion: a version or the file of a cut cannot be read.
        """
        from guotu.client import options

        cut = read_cut(self.cut) if self.cut is not None else {}
        for text in self.versions:
            dataset, mark, number = text.rpartition("@")
            if not mark:
                dataset = dataset_id(client.node().record.node, self.collection)
            cut[_dataset(dataset)] = _version(number)
        return options(self.scope, self.partial, cut)


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """A retrieval as given."""

    asked: Asked
    fields: tuple[str, ...]
    sort: tuple[str, ...]
    limit: int | None
    crs: str

    def question(self, client: Client, default_limit: int = 0) -> Query:
        """Return the question; `default_limit` is taken where no limit was given.

        Raises: as `Asked.selection` and `Asked.options`.
        """
        from guotu.client import sort_keys
        from guotu.model.question import Query

        return Query(
            collection=self.asked.collection,
            selection=self.asked.selection(),
            fields=self.fields,
            sort=sort_keys(self.sort),
            limit=default_limit if self.limit is None else self.limit,
            crs=self.crs,
            options=self.asked.options(client),
        )


@dataclass(frozen=True, slots=True)
class AskedStats:
    """A grouping question as given; `counted` holds an empty name for the count of rows."""

    asked: Asked
    group_by: tuple[str, ...]
    counted: tuple[str, ...]
    summed: tuple[str, ...]
    least: tuple[str, ...]
    greatest: tuple[str, ...]
    averaged: tuple[str, ...]

    def question(self, client: Client) -> Stats:
        """Return the question.

        Raises: as `Asked.selection` and `Asked.options`.
        """
        from guotu.client import aggregates
        from guotu.model.question import Stats

        fields = tuple(filter(None, self.counted))
        columns = aggregates(fields, self.summed, self.least, self.greatest, self.averaged)
        if "" in self.counted and (fields or self.summed or self.least or self.greatest or self.averaged):
            columns = aggregates(True, (), (), (), ()) + columns
        return Stats(
            collection=self.asked.collection,
            aggregates=columns,
            group_by=self.group_by,
            selection=self.asked.selection(),
            options=self.asked.options(client),
        )


def read_cut(path: Path) -> dict[str, int]:
    """Return the cut in a file: {"510000/dltb": 12}, or any document that has it as "cut", such as an answer's.

    Raises:
        InvalidQuestion: it cannot be read or is none of these.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise InvalidQuestion(part="--cut", detail=f"{path}: {failure}") from failure
    found = document.get("cut", document) if isinstance(document, Mapping) else None
    if not isinstance(found, Mapping):
        raise InvalidQuestion(part="--cut", detail=f'{path}: 应为 must be {{"510000/dltb": 12}}')
    return {_dataset(name): _version(version) for name, version in found.items()}


def _dataset(name: str) -> str:
    try:
        split_dataset(name)
    except ValueError as failure:
        raise InvalidQuestion(part="--version/--cut", detail=str(failure)) from failure
    return name


def _version(number: object) -> int:
    text = str(number)
    if isinstance(number, bool) or not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise InvalidQuestion(
            part="--version/--cut", detail=f"{text!r}: 版本为正整数 a version is a whole number from 1"
        )
    return int(text)
