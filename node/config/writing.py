"""Writing a configuration: TOML with every option, commented in both languages."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from node.config.option import doc_of
from node.config.sections import NodeConfig

Overrides = Mapping[str, Any]
"""Values by "section.option"."""

_HEAD = """\
# 国土节点配置。每一项都在此列出；所写即默认值或 guotu node init 所给的值。
# Configuration of a guotu node. Every option is here, with its default or what `guotu node init` was given.
"""


def config_toml(overrides: Overrides) -> str:
    """Return a configuration file with every option; those in `overrides` have the value given there."""
    sections = typing.get_type_hints(NodeConfig)
    blocks = [_section(field, sections[field.name], overrides) for field in dataclasses.fields(NodeConfig)]
    return "\n".join([_HEAD, *blocks])


def _section(section: dataclasses.Field[Any], kind: type, overrides: Overrides) -> str:
    doc = doc_of(section)
    lines = [f"[{section.name}]  # {doc.zh} {doc.en}"]
    for field in dataclasses.fields(kind):
        lines.extend(_option(field, overrides.get(f"{section.name}.{field.name}", _default(field))))
    return "\n".join(lines) + "\n"


def _default(field: dataclasses.Field[Any]) -> Any:
    return doc_of(field).example if field.default is dataclasses.MISSING else field.default


def _option(field: dataclasses.Field[Any], value: Any) -> Iterator[str]:
    doc = doc_of(field)
    yield f"# {doc.zh}"
    yield f"# {doc.en}{_limits(field)}"
    yield f"{field.name} = {toml_value(value)}"


def _limits(field: dataclasses.Field[Any]) -> str:
    """Return unit, bounds or choices, and default, for a comment."""
    doc = doc_of(field)
    parts = [f"单位 unit: {doc.unit}"] if doc.unit else []
    if doc.choices:
        parts.append(" | ".join(doc.choices))
    if field.default is dataclasses.MISSING:
        parts.append("必填 required")
    else:
        parts.append(f"默认 default: {toml_value(field.default)}")
    return f" [{'; '.join(parts)}]"


def toml_value(value: Any) -> str:
    """Return a value as TOML writes it; nothing given is an empty text."""
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Path | str):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return repr(value)
