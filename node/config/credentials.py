"""Secrets in files that only their owner may read: credentials of the object store, the URL of the database."""

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
    content = _private_bytes(path)
    try:
        raw = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # What the parser says may quote the file.
        raise _refusal(path, "不是有效的 TOML not valid TOML") from None
    if set(raw) != set(_KEYS) or not all(isinstance(value, str) and value for value in raw.values()):
        raise _refusal(path, f"须且只须有两项文字 must hold just two texts: {', '.join(_KEYS)}")
    return Credentials(raw["access_key"], raw["secret_key"])


def read_url(path: Path) -> str:
    """Read the URL of a database, the only line of a file.

    Raises:
        InvalidConfig: the file is missing, others may read it, or it does not hold just one line.
    """
    try:
        lines = _private_bytes(path).decode("utf-8").split()
    except UnicodeDecodeError:
        lines = []
    if len(lines) != 1:
        raise _refusal(path, "须且只须有一行网址 must hold one line, the URL")
    return lines[0]


def url_file_fault(path: Path) -> str:
    """Return what is wrong with a file that holds a URL, in both languages; empty if nothing is."""
    try:
        fault = url_fault(read_url(path))
    except InvalidConfig as refusal:
        fault = str(refusal.facts["detail"])
    return f"{path}: {fault}" if fault else ""


def url_fault(url: str) -> str:
    """Return what is wrong with the URL of a database, in both languages and without the URL; empty if nothing is."""
    if not url or url.startswith(("postgresql://", "postgres://")):
        return ""
    return "应为 postgresql://用户:口令@主机:端口/数据库 must be postgresql://user:password@host:port/database"


def credentials_fault(path: Path) -> str:
    """Return what is wrong with a credentials file, in both languages; empty if nothing is."""
    try:
        read_credentials(path)
    except InvalidConfig as refusal:
        return f"{path}: {refusal.facts['detail']}"
    return ""


def _private_bytes(path: Path) -> bytes:
    """Return what a file holds that only its owner may read.

    Raises:
        InvalidConfig: the file is missing, or others may read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except OSError as failure:
        raise _refusal(path, f"读取失败 cannot be read: {failure.strerror}") from failure
    if mode & _OTHERS:
        raise _refusal(path, f"他人可读，请 chmod 600 others may read it (mode {mode:o}): chmod 600")
    return content


def _refusal(path: Path, detail: str) -> InvalidConfig:
    return InvalidConfig(source=str(path), detail=detail)
