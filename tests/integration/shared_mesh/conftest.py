"""A real mesh that all tests of this folder share, and leave as they found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.mesh import LocalMesh
from tests.support.small_mesh import small_mesh


@pytest.fixture(scope="package")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh of four nodes with data, for tests that change nothing of it."""
    with small_mesh(tmp_path_factory.mktemp("parts")) as made:
        yield made
