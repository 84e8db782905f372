"""The nearest features: those of each member, merged by their distance."""

from __future__ import annotations

from collections.abc import AsyncIterator

from federation.execution.local import nearest_frames
from federation.execution.nearest import with_distance
from federation.execution.retrieval import Retrieval
from federation.selection import BoundSelection
from guotu.model.answer import Frame
from guotu.model.collection import Collection
from guotu.model.errors import InvalidQuestion
from guotu.model.plan import PlanStep
from guotu.model.ports import FeatureStore, Scan
from guotu.model.question import DISTANCE, Query, SortKey
from guotu.model.schema import arrow_schema, columns_of


class Neighbours(Retrieval):
    """What a question for the nearest features asks of its members: their own nearest, sorted."""

    def __init__(self, query: Query, collection: Collection, selection: BoundSelection) -> None:
        super().__init__(query, collection, selection)
        if query.nearest is None:
            raise InvalidQuestion(part="nearest", detail="a geometry is needed")
        self._nearest = query.nearest
        fields = columns_of(collection, query.fields)
        all_fields = fields if collection.key in fields else (*fields, collection.key)
        self._keys = (SortKey(DISTANCE), SortKey(collection.key))
        self.schema = with_distance(arrow_schema(collection, fields, query.crs))
        self.member_schema = with_distance(arrow_schema(collection, all_fields, query.crs))
        self.scan = Scan(all_fields, selection.expression, crs=query.crs)

    def here(self, store: FeatureStore, step: PlanStep) -> AsyncIterator[Frame]:
        """Begin to answer from a dataset that is held here."""
        return nearest_frames(
            store, step, self.collection, self._nearest, self._query.limit, self.scan, self.member_schema
        )
