"""Credentials of the object store: a small TOML file that only its owner may read."""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from guotu.model.errors import InvalidConfig

_KEYS = ("access_key", "secret_key")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a node proves itself with to its object store; the secret is in no text made of it."""

    access_key: str
    secret_key: str = field(repr=False)


def read_credentials(path: Path) -> Credentials:
    """Read access_key and secret_key.

    Raises:
        InvalidConfig: the file is missing, others may read it, or it does not hold just these two texts.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except OSError as failure:
        raise _refusal(path, f"读取失败 cannot be read: {failure.strerror}") from failure
    if mode & _OTHERS:
        raise _refusal(path, f"他人可读，请 chmod 600 others may read it (mode {mode:o}): chmod 600")
    try:
        raw = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # What the parser says may quote the file.
        raise _refusal(path, "不是有效的 TOML not valid TOML") from None
    if set(raw) != set(_KEYS) or not all(isinstance(value, str) and value for value in raw.values()):
        raise _refusal(path, f"须且只须有两项文字 must hold just two texts: {', '.join(_KEYS)}")
    return Credentials(raw["access_key"], raw["secret_key"])


def credentials_fault(path: Path) -> str:
    """Return what is wrong with a credentials file, in both languages; empty if nothing is."""
    try:
        read_credentials(path)
    except InvalidConfig as refusal:
        return f"{path}: {refusal.facts['detail']}"
    return ""


def _refusal(path: Path, detail: str) -> InvalidConfig:
    return InvalidConfig(source=str(path), detail=detail)
