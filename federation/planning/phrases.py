"""What a plan says of the work, in short phrases."""

from __future__ import annotations

from federation.filter.phrase import geometry_phrase, phrase
from federation.selection import BoundSelection
from guotu.model.plan import Decision, PlanStep
from guotu.model.question import LayerOverlay, Nearest, Overlay, Quantiles, Query, Question, Stats


def pushed_down(question: Question, selection: BoundSelection) -> tuple[str, ...]:
    """Return what the members do, one short phrase each."""
    phrases = [] if selection.expression is None else [f"filter {phrase(selection.expression)}"]
    if isinstance(question, Query):
        phrases.append(f"fields {', '.join(question.fields) or '*'}")
        phrases += [_nearest_phrase(question.nearest)] if question.nearest is not None else []
        phrases += [f"sort {', '.join(_sort_phrase(question))}"] if question.sort else []
        phrases += [f"limit {question.limit}"] if question.limit else []
        phrases += ["after the page before"] if question.page is not None and question.page.after is not None else []
        return tuple(phrases)
    if isinstance(question, Stats) and question.estimate:
        return (*phrases, "nothing: rows are estimated from what is advertised")
    if isinstance(question, Stats) and question.quantiles is not None:
        return (*phrases, quantiles_phrase(question.quantiles))
    phrases.append(f"group by {_bins_phrase(question) or ', '.join(question.group_by) or '()'}")
    if isinstance(question, Overlay):
        return (f"overlay with {len(question.zones)} zones", *phrases, "partials count, area")
    if isinstance(question, LayerOverlay):
        source = question.zones
        zones = [f"overlay with {source.collection}", *([f"zones with {source.filter}"] if source.filter else [])]
        return (*zones, f"zones by {', '.join(source.group_by) or '()'}", *phrases, "partials count, area")
    partials = [f"{item.function}({item.field or '*'})" for item in question.aggregates]
    phrases.append(f"partials {', '.join(partials)}")
    return tuple(phrases)


def quantiles_phrase(quantiles: Quantiles) -> str:
    """Return how quantiles are found."""
    shares = ", ".join(map(repr, quantiles.at))
    return f"quantiles {shares} of {quantiles.field}, by counts of ever narrower classes"


def _bins_phrase(question: Stats | Overlay | LayerOverlay) -> str:
    bins = question.bins if isinstance(question, Stats) else None
    if bins is None:
        return ""
    between = f"{bins.edges[0]} and {bins.edges[-1]}" if bins.edges else "the least and the greatest value"
    return f"{bins.count or len(bins.edges) - 1} classes of {bins.field} between {between}"


def _nearest_phrase(nearest: Nearest) -> str:
    near = f"nearest to {geometry_phrase(nearest.wkb)}"
    return f"{near} within {nearest.within_m!r} m" if nearest.within_m else near


def _sort_phrase(query: Query) -> list[str]:
    return [f"{key.field} {'DESC' if key.descending else 'ASC'}" for key in query.sort]


def merge_phrase(question: Question, steps: tuple[PlanStep, ...]) -> str:
    """Return what this node does with the members' answers."""
    if isinstance(question, Stats) and question.estimate:
        return "add up estimates"
    if isinstance(question, Stats) and question.top:
        return f"merge groups, keep the {question.top} greatest by {question.aggregates[0].alias}"
    if not isinstance(question, Query):
        return "merge groups"
    if question.nearest is not None:
        return "merge by distance"
    if question.sort:
        return "merge sorted"
    asked = sum(step.decision in (Decision.LOCAL, Decision.ASK) for step in steps)
    return "concatenate in member order" if asked > 1 else "pass through"
