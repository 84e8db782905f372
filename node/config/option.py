"""One option of the configuration: its default, and what is said of it in the file and in the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

METADATA_KEY = "option"
Check = Callable[[Any], str]
"""Returns what is wrong with a value, in both languages; empty if nothing is."""


@dataclass(frozen=True, slots=True)
class OptionDoc:
    """What is said of an option, and what its value is checked against."""

    zh: str
    en: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    check: Check | None = None
    example: Any = None
    """Shown in a written file where there is no default."""
    secret: bool = False

    def fault(self, value: Any) -> str:
        """Return what is wrong with a value of the right type, in both languages; empty if nothing is."""
        if self.choices and value not in self.choices:
            allowed = " | ".join(self.choices)
            return f"{value!r} 应为 must be {allowed}"
        if self.minimum is not None and not value >= self.minimum:  # so that NaN is refused too
            return f"{value!r} 不得小于 must be at least {self.minimum:g}"
        if self.maximum is not None and value > self.maximum:
            return f"{value!r} 不得大于 must be at most {self.maximum:g}"
        return self.check(value) if self.check is not None else ""


def option(
    default: Any = dataclasses.MISSING,
    *,
    zh: str,
    en: str,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    check: Check | None = None,
    example: Any = None,
    secret: bool = False,
) -> Any:
    """Return a dataclass field with its documentation; without a default the option must be given.

    A secret is in no text that is made of its section, and in no fault.
    """
    doc = OptionDoc(zh, en, unit, minimum, maximum, choices, check, example, secret)
    return dataclasses.field(default=default, repr=not secret, metadata={METADATA_KEY: doc})


def section(kind: type, *, zh: str, en: str) -> Any:
    """Return a dataclass field that holds a section of options."""
    metadata = {METADATA_KEY: OptionDoc(zh, en)}
    if any(item.default is dataclasses.MISSING for item in dataclasses.fields(kind)):
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default_factory=kind, metadata=metadata)


def doc_of(field: dataclasses.Field[Any]) -> OptionDoc:
    """Return the documentation of a field made by `option` or `section`."""
    doc = field.metadata[METADATA_KEY]
    assert isinstance(doc, OptionDoc)
    return doc
