"""Questions as the command line asks them: options in, question out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from guotu.model.division import is_division, split_dataset
from guotu.model.errors import InvalidQuestion
from node.cli.cut_file import checked_dataset, checked_version, read_cut

if TYPE_CHECKING:
    from guotu.model.question import LayerOverlay, Options, Overlay, Query, Selection, Stats, ZoneSource
    from guotu.model.zones import Zones
    from node.cli.zones import FindBoundary, GivenZones


@dataclass(frozen=True, slots=True)
class Asked:
    """What every question has, as given."""

    subject: str
    """A collection id, or a dataset id for a question to this dataset alone."""
    where: str
    bbox: tuple[float, ...] | None
    within: str
    boundary: str
    scope: str
    partial: bool
    versions: tuple[str, ...]
    cut: Path | None

    @property
    def dataset(self) -> str:
        """The one dataset asked; empty for all of the collection."""
        return checked_dataset(self.subject, "DATASET") if "/" in self.subject else ""

    @property
    def collection(self) -> str:
        """The collection asked."""
        return split_dataset(self.dataset)[1] if self.dataset else self.subject

    def selection(self) -> Selection:
        """Return the selection; reads the file that `--within` names.

        Raises:
            InvalidQuestion, InvalidCrs, TooLarge: as `node.cli.within.polygon_of`.
        """
        from guotu.model.asking import selection
        from node.cli.within import polygon_of

        if not self.within or is_division(self.within):
            return selection(self.where, self.bbox, None, self.within, self.boundary)
        return selection(self.where, self.bbox, polygon_of(Path(self.within)), "", self.boundary)

    def options(self) -> Options:
        """Return scope, completeness, cut and dataset; a bare version number is that of the one dataset asked.

        Raises:
            InvalidQuestion: a version or the file of a cut cannot be read, or a version's dataset is not told.
        """
        from guotu.model.asking import options

        cut = None if self.cut is None else read_cut(self.cut)
        pins = {}
        for text in self.versions:
            dataset, mark, number = text.rpartition("@")
            name = checked_dataset(dataset, "--version") if mark else self._dataset_of(number)
            pins[name] = checked_version(number, "--version")
        return options(self.scope, self.partial, cut, self.dataset, pins)

    def _dataset_of(self, number: str) -> str:
        """Return the dataset that a bare version number is meant of."""
        if not self.dataset:
            detail = (
                f"{number}: 须指明数据集 a dataset is needed, "
                f"如 as in: NODE/{self.subject} --version {number}, --version NODE/{self.subject}@{number}"
            )
            raise InvalidQuestion(part="--version", detail=detail)
        return self.dataset


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """A retrieval as given."""

    asked: Asked
    fields: tuple[str, ...]
    sort: tuple[str, ...]
    limit: int | None
    crs: str

    def question(self, default_limit: int = 0) -> Query:
        """Return the question; `default_limit` is taken where no limit was given.

        Raises: as `Asked.selection` and `Asked.options`.
        """
        from guotu.model.asking import sort_keys
        from guotu.model.question import Query

        return Query(
            collection=self.asked.collection,
            selection=self.asked.selection(),
            fields=self.fields,
            sort=sort_keys(self.sort),
            limit=default_limit if self.limit is None else self.limit,
            crs=self.crs,
            options=self.asked.options(),
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
    top: int = 0

    def question(self) -> Stats:
        """Return the question.

        Raises: as `Asked.selection` and `Asked.options`.
        """
        from guotu.model.asking import aggregates
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
            options=self.asked.options(),
            top=self.top,
        )


@dataclass(frozen=True, slots=True)
class AskedOverlay:
    """An overlay as given: the same question to one or more collections or datasets."""

    zones: GivenZones | GivenSource
    subjects: tuple[str, ...]
    asked: Asked
    """Its subject is that of the question at hand."""
    group_by: tuple[str, ...]

    def questions(self, boundary: FindBoundary) -> list[Overlay | LayerOverlay]:
        """Return the questions, in the order of the subjects; reads the zones once, divisions by `boundary`.

        Raises: as `GivenZones.read`, `GivenSource.read`, `Asked.selection` and `Asked.options`.
        """
        from guotu.model.question import LayerOverlay, Overlay, ZoneSource

        if isinstance(self.zones, GivenSource):
            zones: Zones | ZoneSource = self.zones.read()
        else:
            zones = self.zones.read(boundary, replace(self.asked, subject=self.subjects[0]).options().cut)
        made: list[Overlay | LayerOverlay] = []
        for subject in self.subjects:
            asked = replace(self.asked, subject=subject)
            selection, options = asked.selection(), asked.options()
            if isinstance(zones, ZoneSource):
                made.append(LayerOverlay(asked.collection, zones, self.group_by, selection, options))
            else:
                made.append(Overlay(asked.collection, zones, self.group_by, selection, options=options))
        return made


@dataclass(frozen=True, slots=True)
class GivenSource:
    """Zones that are the features of a collection, as given: `COLLECTION|DATASET[@CQL2]`."""

    text: str
    group_by: tuple[str, ...]

    def read(self) -> ZoneSource:
        """Return where the zones come from.

        Raises:
            InvalidQuestion: the dataset's name is none.
        """
        from guotu.model.asking import zone_source

        name, _, where = self.text.partition("@")
        return zone_source(name, self.group_by, where)
