"""Tidying: letting a store put rows in order, once versions of a dataset have become readable."""

from __future__ import annotations

import structlog

from guotu.model.errors import GuotuError
from guotu.model.ports import FeatureStore

_log = structlog.get_logger(__name__)


async def tidied(store: FeatureStore, dataset: str) -> None:
    """Put rows in order; answers do not depend on it, so what fails is only told, and done another time."""
    try:
        await store.tidy(dataset)
    except GuotuError as error:
        _log.warning("not_tidied", dataset=dataset, detail=error.english)
