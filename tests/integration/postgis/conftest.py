"""A database for each test, a store in it, and another application beside it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.store import PostgisStore
from tests.support.databases import database_of, remove_database


@pytest.fixture
def options(tmp_path: Path) -> Any:
    yield PostgisOptions(database_of(tmp_path), connections=3, start_s=60.0)
    remove_database(tmp_path)


@pytest_asyncio.fixture
async def store(options: PostgisOptions) -> AsyncIterator[PostgisStore]:
    opened = PostgisStore(options)
    await opened.open()
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def beside(options: PostgisOptions) -> AsyncIterator[Any]:
    """A connection of another application to the same database."""
    connection = await asyncpg.connect(options.url)
    yield connection
    await connection.close()
