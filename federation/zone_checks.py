"""Whether zones can be taken from where a question says, before anybody is asked."""

from __future__ import annotations

from federation.selection import bind_selection
from federation.validate import check_areal, check_cut, check_options
from guotu.model.collection import Collection
from guotu.model.overlay import overlay_schema
from guotu.model.question import Options, Selection, ZoneSource


def check_zone_source(source: ZoneSource, zones: Collection) -> None:
    """Check what zones are taken from; `zones` is its collection.

    Raises:
        InvalidQuestion: an option is out of its bounds, or the collection has no areas.
        InvalidFilter, TooLarge: the filter is not valid.
        UnknownField: a field does not exist.
    """
    check_areal(zones)
    overlay_schema(zones, source.group_by, shares=False)
    bind_selection(Selection(filter=source.filter), zones)
    check_options(Options(dataset=source.dataset), zones)
    check_cut(source.cut, zones)
