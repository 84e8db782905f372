"""The older software: the packages of an earlier state of the project, kept in an archive; see README.md here."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import registry

ARCHIVE = Path(__file__).parent / "software.tar.xz"
_SERVE = """
import sys
from pathlib import Path
from node.config import load_config
from node.data_directory import DataDirectory
from node.serve import serve
from sync.signing import NodeKey
config = load_config(Path(sys.argv[1]))
data = DataDirectory(config.node.data_dir)
data.create()
if not data.node_key.exists():
    NodeKey.create(data.node_key)
serve(config)
"""


def unpack_older(folder: Path) -> Path:
    """Unpack the older software; returns the folder to import it from."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    # The gazetteer is data that has not changed, and a quarter of the whole.
    shutil.copy(Path(registry.__path__[0]) / "data" / "divisions.csv", folder / "registry" / "data")
    return folder


def older_command(python: str, config: Path) -> list[str]:
    """Return the command that serves a node with it; PYTHONPATH must begin with its folder."""
    return [python, "-P", "-c", _SERVE, str(config)]
