"""Stores that every contract suite of the FeatureStore port runs against; one event loop a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from guotu.model.ports import FeatureStore
from tests.support.stores import STORES, make_store, remove_store


@pytest.fixture(params=STORES, scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    """Name of the store under test."""
    return str(request.param)


@pytest_asyncio.fixture(loop_scope="module")
async def features(kind: str, tmp_path: Path) -> AsyncIterator[FeatureStore]:
    """A new, empty, open store."""
    store = make_store(kind, tmp_path / "store")
    await store.open()
    yield store
    await store.close()
    remove_store(kind, tmp_path / "store")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared_features(kind: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FeatureStore]:
    """An open store for all tests of a module, each of which leaves it as it is."""
    folder = tmp_path_factory.mktemp("store")
    store = make_store(kind, folder)
    await store.open()
    yield store
    await store.close()
    remove_store(kind, folder)
