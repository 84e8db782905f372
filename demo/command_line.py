"""The command line that asks the same as a question given as a value."""

from __future__ import annotations

import shlex
from pathlib import Path

from guotu.model.crs import MESH_CRS
from guotu.model.question import CompletenessMode, LayerOverlay, Overlay, Query, Question, Scope, Selection, Stats


def command_of(question: Question, polygon: Path | None = None, explain: bool = False) -> str:
    """Return the `guotu` command, to be run where GUOTU_NODE names the node to ask.

    Args:
        question: what is asked; a cut is not told.
        polygon: file with the polygon of the selection, or with the zones of an overlay; needed if there are any.
        explain: ask how it is answered, and answer it.
    """
    words = ["guotu", *(["explain"] if explain else []), *_kind_words(question, polygon)]
    words += _selection_words(question.selection, polygon)
    if question.options.scope is Scope.SELF:
        words += ["--scope", "self"]
    if question.options.completeness is CompletenessMode.ALLOW_PARTIAL:
        words += ["--partial"]
    return " ".join(map(quoted, [*words, *(["--analyze"] if explain else [])]))


def quoted(word: str) -> str:
    """Return a word as it is typed in a shell: a filter with its single quotes in double ones, if that is safe."""
    if "'" in word and not set(word) & set('"$`\\!'):
        return f'"{word}"'
    return shlex.quote(word)


def _kind_words(question: Question, polygon: Path | None) -> list[str]:
    match question:
        case Query():
            return ["query", question.collection, *_query_words(question)]
        case Stats():
            return ["stats", question.collection, *_stats_words(question)]
        case Overlay():
            if polygon is None:
                raise ValueError("the zones of an overlay need a file on the command line")
            return ["overlay", str(polygon), "--with", question.collection, *_group_words(question.group_by)]
        case LayerOverlay(zones=source):
            zones = source.dataset or source.collection
            words = ["--zones-from", f"{zones}@{source.filter}" if source.filter else zones]
            words += ["--zones-by", ",".join(source.group_by)] if source.group_by else []
            return ["overlay", *words, "--with", question.collection, *_group_words(question.group_by)]


def _group_words(names: tuple[str, ...]) -> list[str]:
    return ["--group-by", ",".join(names)] if names else []


def _query_words(query: Query) -> list[str]:
    words = ["--fields", ",".join(query.fields)] if query.fields else []
    if query.sort:
        words += ["--sort", ",".join("-" * key.descending + key.field for key in query.sort)]
    if query.limit:
        words += ["--limit", str(query.limit)]
    return words if query.crs == MESH_CRS else [*words, "--crs", query.crs]


def _stats_words(stats: Stats) -> list[str]:
    words = _group_words(stats.group_by)
    for item in stats.aggregates:
        words += [f"--{item.function}", item.field] if item.field else [f"--{item.function}"]
    return words


def _selection_words(selection: Selection, polygon: Path | None) -> list[str]:
    words = ["--where", selection.filter] if selection.filter else []
    if (box := selection.bbox) is not None:
        words += ["--bbox", f"{box.xmin},{box.ymin},{box.xmax},{box.ymax}"]
    if selection.within:
        if polygon is None:
            raise ValueError("a polygon in a question needs a file on the command line")
        words += ["--within", str(polygon)]
    return [*words, "--within", selection.division] if selection.division else words
