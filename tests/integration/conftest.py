"""Real meshes: one that tests share and leave as they found it, and fresh ones for tests that break things."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mesh import LocalMesh
from tests.support.small_mesh import NODES, heal, make_mesh


def _root() -> Path:
    """Return a short folder: unix sockets have short names."""
    return Path(tempfile.mkdtemp(prefix="gt-"))


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh of four nodes with data, for tests that change nothing of it."""
    root = _root()
    made = make_mesh(root, tmp_path_factory.mktemp("parts"))
    yield made
    made.close()
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def breakable_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh of four nodes with data, for one module's tests to break and heal."""
    root = _root()
    made = make_mesh(root, tmp_path_factory.mktemp("parts"))
    yield made
    made.close()
    shutil.rmtree(root)


@pytest.fixture
def own_mesh(breakable_mesh: LocalMesh) -> Iterator[LocalMesh]:
    """The breakable mesh, whole at the beginning and made whole again at the end."""
    yield breakable_mesh
    heal(breakable_mesh, NODES)


@pytest.fixture
def short_root() -> Iterator[Path]:
    """A short empty folder."""
    root = _root()
    yield root
    shutil.rmtree(root)
