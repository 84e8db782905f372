"""Real meshes of one module, which its tests break and heal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mesh import LocalMesh
from tests.support.small_mesh import NODES, heal, short_folder, small_mesh


@pytest.fixture(scope="module")
def breakable_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh of four nodes with data, for one module's tests to break and heal."""
    with small_mesh(tmp_path_factory.mktemp("parts")) as made:
        yield made


@pytest.fixture
def own_mesh(breakable_mesh: LocalMesh) -> Iterator[LocalMesh]:
    """The breakable mesh, whole at the beginning and made whole again at the end."""
    yield breakable_mesh
    heal(breakable_mesh, NODES)


@pytest.fixture
def short_root() -> Iterator[Path]:
    """A short empty folder."""
    root = short_folder()
    yield root
    shutil.rmtree(root)
