"""Object keys: what a key may look like, in any store."""

from __future__ import annotations

import re

MAX_LENGTH = 512
_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
_PREFIX = re.compile(rf"(?:{_PART}/)*(?:{_PART})?")


def check_key(key: str) -> str:
    """Return the key, if it is one: parts of ASCII letters, digits, ".", "_" and "-", joined by "/".

    No part begins with "." or "-", so that a key is a safe relative path.

    Raises:
        ValueError: it is not.
    """
    if not is_key(key):
        raise ValueError(f"not an object key: {key!r}")
    return key


def is_key(text: str) -> bool:
    """Tell whether a text can be a key."""
    return len(text) <= MAX_LENGTH and _KEY.fullmatch(text) is not None


def check_prefix(prefix: str) -> str:
    """Return the prefix, if keys may begin with it; empty for all keys.

    Raises:
        ValueError: it is not one.
    """
    if len(prefix) > MAX_LENGTH or not _PREFIX.fullmatch(prefix):
        raise ValueError(f"not a prefix of object keys: {prefix!r}")
    return prefix
