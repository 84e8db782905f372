"""Names and hours as an operator writes them, and what is wrong with them."""

from __future__ import annotations

import re

from guotu.model.errors import InvalidQuestion
from sync.objects.keys import is_key
from sync.replica.hours import Hours

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MAX_PREFIX = 255


def bucket_fault(bucket: str) -> str:
    """Return what is wrong with the name of an S3 bucket that may be empty, in both languages."""
    if not bucket or (_BUCKET.fullmatch(bucket) and ".." not in bucket):
        return ""
    return f"{bucket!r} 应为 3–63 个小写字母、数字、“.”或“-” must be 3–63 lower-case letters, digits, '.' or '-'"


def prefix_fault(prefix: str) -> str:
    """Return what is wrong with a prefix of keys that may be empty, in both languages."""
    if not prefix or (is_key(prefix) and len(prefix) <= MAX_PREFIX):
        return ""
    return (
        f"{prefix!r} 应为以“/”分隔的字母、数字、“.”“_”“-”，首尾无“/” "
        "must be letters, digits, '.', '_' and '-' between '/', none at either end"
    )


def hours_fault(hours: str) -> str:
    """Return what is wrong with hours that may be empty, in both languages."""
    try:
        Hours.parse(hours)
    except InvalidQuestion as refusal:
        return str(refusal.facts["detail"])
    return ""
