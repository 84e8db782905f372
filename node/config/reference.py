"""The reference of all options, docs/reference/configuration.md, written from their definitions.

`python -m node.config.reference > docs/reference/configuration.md` renews it; a test compares.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from node.config.option import OptionDoc, doc_of
from node.config.sections import NodeConfig
from node.config.writing import toml_value

_HEAD = """\
# Configuration 配置

One TOML file describes a node. `guotu node init` writes it with every option and its default; `guotu node serve`
reads it from `--config` (or `GUOTU_CONFIG`, or `./guotu.toml`). All faults of a file are reported at once; an option
that does not exist is a fault. Relative paths start at the file's directory.

This page is written from the code: `python -m node.config.reference > docs/reference/configuration.md`.
"""
_TYPES: dict[Any, str] = {
    str: "text", int: "integer", float: "number", bool: "boolean", Path: "path", Path | None: "path",
    tuple[str, ...]: "list of texts",
}  # fmt: skip


def reference() -> str:
    """Return the reference as Markdown."""
    sections = typing.get_type_hints(NodeConfig)
    blocks = [_section(field, sections[field.name]) for field in dataclasses.fields(NodeConfig)]
    return "\n".join([_HEAD, *blocks])


def _section(section: dataclasses.Field[Any], kind: type) -> str:
    doc = doc_of(section)
    lines = [f"## [{section.name}] {doc.zh} {doc.en}", ""]
    lines += ["| option | type | unit | default | allowed | meaning |", "|---|---|---|---|---|---|"]
    lines += _rows(kind)
    return "\n".join(lines) + "\n"


def _rows(kind: type) -> Iterator[str]:
    types = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        doc = doc_of(field)
        default = "required" if field.default is dataclasses.MISSING else f"`{toml_value(field.default)}`"
        cells = (
            f"`{field.name}`",
            _TYPES[types[field.name]],
            doc.unit,
            default,
            _allowed(doc),
            f"{doc.zh}<br>{doc.en}",
        )
        yield f"| {' | '.join(cells)} |"


def _allowed(doc: OptionDoc) -> str:
    if doc.choices:
        return ", ".join(f"`{choice}`" for choice in doc.choices)
    least = "" if doc.minimum is None else f"≥ {doc.minimum:g}"
    most = "" if doc.maximum is None else f"≤ {doc.maximum:g}"
    return ", ".join(filter(None, (least, most)))


if __name__ == "__main__":
    print(reference(), end="")
