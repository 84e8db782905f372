"""Build hook: generates the Python stubs of the wire contract from proto/ with a pinned generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def generate(root: Path) -> None:
    """Write guotu/v1/*_pb2.py, *_pb2_grpc.py and their type stubs below `root`.

    Raises:
        RuntimeError: protoc reported an error.
    """
    from grpc_tools import protoc

    proto = root / "proto"
    target = root / "guotu" / "v1"
    target.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path.relative_to(proto)) for path in proto.rglob("*.proto"))
    outputs = ("python", "pyi", "grpc_python", "mypy_grpc")
    arguments = ["protoc", f"-I{proto}", *(f"--{output}_out={root}" for output in outputs)]
    if protoc.main([*arguments, *sources]) != 0:
        raise RuntimeError("protoc failed on proto/; see its message above")
    (target / "__init__.py").write_text('"""Generated stubs of the wire contract; do not edit."""\n')


class StubsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Generates the stubs before a wheel or an editable install is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generate; `version` is "standard" or "editable"."""
        generate(Path(self.root))
