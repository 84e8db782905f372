"""Reading a configuration from TOML: every fault is found before any is reported."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from guotu.model.errors import InvalidConfig
from node.config.faults import faults_between
from node.config.option import doc_of
from node.config.sections import NodeConfig

_TYPE_NAMES = {
    str: "文字 text", int: "整数 an integer", float: "数值 a number", bool: "true/false", Path: "路径 a path",
}  # fmt: skip


def load_config(path: Path) -> NodeConfig:
    """Read a configuration; relative paths in it start at the file's directory.

    Raises:
        InvalidConfig: there is no such file, it is not TOML, or it has faults; all of them are named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise InvalidConfig(source=str(path), detail=f"读取失败 cannot be read: {failure}") from failure
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise InvalidConfig(source=str(path), detail=f"不是有效的 TOML not valid TOML: {failure}") from failure
    return config_from(raw, path.absolute().parent, str(path))


def config_from(raw: Mapping[str, Any], base: Path, source: str) -> NodeConfig:
    """Return the configuration of a parsed document.

    Args:
        raw: sections with their options.
        base: directory that relative paths start at.
        source: what errors call the document.

    Raises:
        InvalidConfig: it has faults; all of them are named.
    """
    reader = _Reader(base)
    config = reader.read(_spelled_out(raw))
    faults = reader.faults or list(faults_between(config))
    if faults:
        raise InvalidConfig(source=source, detail="; ".join(faults))
    return config


def _spelled_out(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document in which the short form `store = "postgresql://…"` is a section."""
    match raw.get("store"):
        case "duckdb":
            return {**raw, "store": {}}
        case str(url):
            return {**raw, "store": {"kind": "postgis", "url": url}}
    return raw


class _Reader:
    """Turns tables into dataclasses; collects what is wrong in `faults`."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.faults: list[str] = []

    def read(self, raw: Mapping[str, Any]) -> NodeConfig:
        sections = typing.get_type_hints(NodeConfig)
        self._unknown("", raw, sections)
        return NodeConfig(**{name: self._section(name, kind, raw.get(name, {})) for name, kind in sections.items()})

    def _section(self, name: str, kind: type, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            self.faults.append(f"{name}: 应为一节 must be a section: [{name}]")
            raw = {}
        types = typing.get_type_hints(kind)
        self._unknown(f"{name}.", raw, types)
        values = {
            field.name: self._value(f"{name}.{field.name}", field, types[field.name], raw)
            for field in dataclasses.fields(kind)
        }
        return kind(**values)

    def _value(self, where: str, field: dataclasses.Field[Any], kind: Any, raw: Mapping[str, Any]) -> Any:
        if field.name not in raw:
            if field.default is dataclasses.MISSING:
                self.faults.append(f"{where}: 必须给出 must be given")
                return ""
            return self._resolved(field.default)
        value = _converted(raw[field.name], kind)
        if value is None:
            given = "***" if doc_of(field).secret else repr(raw[field.name])
            self.faults.append(f"{where}: {given} 应为 must be {_type_name(kind)}")
            return self._resolved(field.default)
        value = None if kind == Path | None and value == Path() else value
        fault = "" if value is None else doc_of(field).fault(value)
        if fault:
            self.faults.append(f"{where}: {fault}")
        return self._resolved(value)

    def _resolved(self, value: Any) -> Any:
        return self._base / value.expanduser() if isinstance(value, Path) else value

    def _unknown(self, prefix: str, raw: Mapping[str, Any], known: Iterable[str]) -> None:
        names = list(known)
        for key in raw:
            if key not in names:
                close = difflib.get_close_matches(key, names, 1)
                hint = f"，是否 did you mean {prefix}{close[0]}?" if close else ""
                self.faults.append(f"{prefix}{key}: 没有此项 no such option{hint}")


def _converted(value: Any, kind: Any) -> Any:
    """Return a TOML value as a value of `kind`; None if it is not one. An empty path is `Path()`."""
    if kind in (Path, Path | None):
        return Path(value) if isinstance(value, str) else None
    if kind == tuple[str, ...]:
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return tuple(value) if fits else None
    if kind is float:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if kind is int and isinstance(value, bool):
        return None
    return value if isinstance(value, kind) else None


def _type_name(kind: Any) -> str:
    if kind == tuple[str, ...]:
        return "文字列表 a list of texts"
    return _TYPE_NAMES.get(kind, _TYPE_NAMES[Path])
