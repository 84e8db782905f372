"""What a process of guotu's own leaves out, so that it starts at once and stays small."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(program: str) -> set[str]:
    """Return the names of the modules that a program has imported in a process of its own."""
    code = f"import sys\n{program}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_pandas_looks_as_if_it_were_not_installed() -> None:
    tried = (
        "try:\n    import pandas\nexcept ModuleNotFoundError as lacking:\n    assert 'without pandas' in str(lacking)"
    )
    program = f"from node.without import without_pandas\nwithout_pandas()\n{tried}\nimport pyarrow as pa\npa.array([1])"
    assert "pandas" not in loaded_by(program)
    assert "pandas" in loaded_by("import pandas")


def test_a_node_is_loaded_without_rich_and_still_shows_why_it_cannot_be_served() -> None:
    serving = "from node.without import without_rich\nwith without_rich():\n    import node.serve"
    assert "rich" not in loaded_by(f"import node.cli.program\n{serving}")
    assert "rich.text" in loaded_by(f"{serving}\nimport rich.text")


@pytest.mark.parametrize("module", ["node.cli.publication", "node.ingest.source", "node.cli.program"])
def test_gdal_is_loaded_only_for_what_it_reads(module: str) -> None:
    assert "pyogrio" not in loaded_by(f"import {module}")
