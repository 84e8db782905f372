"""What each kind of finding says to people, in both languages, and what they can do about it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from node.ingest.increment_sentences import INCREMENTS
from node.ingest.kinds import FaultKind
from node.ingest.layer_sentences import COLUMNS, CRS, FILE
from node.ingest.row_sentences import GEOMETRIES, PLACES, VALUES
from node.ingest.sentence import Sentence

SENTENCES: Mapping[FaultKind, Sentence] = MappingProxyType(
    {**FILE, **CRS, **COLUMNS, **VALUES, **GEOMETRIES, **PLACES, **INCREMENTS}
)
"""Every kind, exactly once."""
