"""One kind of finding in words.

Placeholders: {field}, {count}, {detail}, {values}. Keys are printed beside the sentence, not in it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is wrong, and what to do about it, in both languages."""

    zh: str
    en: str
    remedy_zh: str = ""
    remedy_en: str = ""
