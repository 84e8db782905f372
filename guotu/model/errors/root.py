"""The root of the tree: what every error of guotu has."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from guotu.model.answer import Completeness

Fact = str | int | float


class GuotuError(Exception):
    """Anything that guotu raises on purpose. `facts` fill the placeholders of the sentences."""

    reason: ClassVar[str] = "GUOTU_ERROR"
    zh: ClassVar[str] = "国土节点出错：{detail}"
    en: ClassVar[str] = "guotu failed: {detail}"
    remedy_zh: ClassVar[str] = ""
    remedy_en: ClassVar[str] = ""

    def __init__(self, **facts: Fact) -> None:
        self.facts: dict[str, Fact] = facts
        self.completeness: Completeness | None = None
        super().__init__(self.message)

    def _fill(self, template: str) -> str:
        return template.format_map(_Known(self.facts))

    @property
    def message(self) -> str:
        """Both sentences and remedies, Chinese first, one language a line."""
        chinese = " ".join(filter(None, (self._fill(self.zh), self._fill(self.remedy_zh))))
        english = " ".join(filter(None, (self._fill(self.en), self._fill(self.remedy_en))))
        return f"{chinese}\n{english}"

    @property
    def english(self) -> str:
        """The English sentence without the remedy."""
        return self._fill(self.en)

    @property
    def chinese(self) -> str:
        """The Chinese sentence without the remedy."""
        return self._fill(self.zh)


class _Known(dict[str, Fact]):
    """Facts for `format_map`: a fact that was not given shows as a question mark."""

    def __missing__(self, key: str) -> str:
        return "?"
