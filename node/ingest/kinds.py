"""The kinds of finding that an import can make; stable names, listed in docs/reference/import-report.md."""

from __future__ import annotations

from enum import StrEnum


class FaultKind(StrEnum):
    """What can be found in an input, in the order in which reports list it.

    Kinds that begin with NOTICE never stop an import; the others do, but for the bounds under --force-bounds.
    """

    # The file and its layer.
    UNREADABLE_FILE = "UNREADABLE_FILE"
    LAYER_AMBIGUOUS = "LAYER_AMBIGUOUS"
    LAYER_UNKNOWN = "LAYER_UNKNOWN"
    EMPTY_LAYER = "EMPTY_LAYER"
    MALFORMED_ROW = "MALFORMED_ROW"
    WRONG_ENCODING = "WRONG_ENCODING"
    # The reference system.
    CRS_MISSING = "CRS_MISSING"
    CRS_UNKNOWN = "CRS_UNKNOWN"
    CRS_CONFLICT = "CRS_CONFLICT"
    CRS_DATUM = "CRS_DATUM"
    CRS_MISMATCH = "CRS_MISMATCH"
    MIXED_CRS = "MIXED_CRS"
    AXES_SWAPPED = "AXES_SWAPPED"
    COORDINATES_OUT_OF_RANGE = "COORDINATES_OUT_OF_RANGE"
    # The columns.
    MAP_UNKNOWN = "MAP_UNKNOWN"
    COLUMN_AMBIGUOUS = "COLUMN_AMBIGUOUS"
    MISSING_COLUMN = "MISSING_COLUMN"
    EXTRA_COLUMN = "EXTRA_COLUMN"
    INCOMPLETE_STATE = "INCOMPLETE_STATE"
    # The values.
    KEY_NULL = "KEY_NULL"
    KEY_DUPLICATE = "KEY_DUPLICATE"
    NULL_VALUE = "NULL_VALUE"
    WRONG_TYPE = "WRONG_TYPE"
    GARBLED_TEXT = "GARBLED_TEXT"
    FRACTION = "FRACTION"
    TEXT_LENGTH = "TEXT_LENGTH"
    DECIMAL_WIDTH = "DECIMAL_WIDTH"
    DECIMAL_PLACES = "DECIMAL_PLACES"
    UNKNOWN_CODE = "UNKNOWN_CODE"
    FOREIGN_DIVISION = "FOREIGN_DIVISION"
    # The geometries.
    GEOMETRY_MISSING = "GEOMETRY_MISSING"
    GEOMETRY_ENCODING = "GEOMETRY_ENCODING"
    GEOMETRY_AMBIGUOUS = "GEOMETRY_AMBIGUOUS"
    GEOMETRY_CURVED = "GEOMETRY_CURVED"
    GEOMETRY_NULL = "GEOMETRY_NULL"
    GEOMETRY_EMPTY = "GEOMETRY_EMPTY"
    GEOMETRY_TYPE = "GEOMETRY_TYPE"
    GEOMETRY_UNREADABLE = "GEOMETRY_UNREADABLE"
    COORDINATES_NOT_FINITE = "COORDINATES_NOT_FINITE"
    GEOMETRY_INVALID = "GEOMETRY_INVALID"
    GEOMETRY_UNREPAIRABLE = "GEOMETRY_UNREPAIRABLE"
    # The bounds.
    OUT_OF_BOUNDS = "OUT_OF_BOUNDS"
    GCJ02_SUSPECTED = "GCJ02_SUSPECTED"
    # An increment, against what is published.
    UNKNOWN_OPERATION = "UNKNOWN_OPERATION"
    INSERT_OF_EXISTING = "INSERT_OF_EXISTING"
    UPDATE_OF_MISSING = "UPDATE_OF_MISSING"
    DELETE_OF_MISSING = "DELETE_OF_MISSING"
    BEFORE_DIFFERS = "BEFORE_DIFFERS"
    CHANGED_AND_DELETED = "CHANGED_AND_DELETED"
    # What is only told.
    NOTICE_WGS84 = "NOTICE_WGS84"
    NOTICE_ZONE = "NOTICE_ZONE"
    NOTICE_ENCODING = "NOTICE_ENCODING"
    NOTICE_COLUMN_IGNORED = "NOTICE_COLUMN_IGNORED"
    NOTICE_COLUMN_FILLED = "NOTICE_COLUMN_FILLED"
    NOTICE_DELETES_COLUMN = "NOTICE_DELETES_COLUMN"
    NOTICE_BLANK_AS_NULL = "NOTICE_BLANK_AS_NULL"
    NOTICE_UNKNOWN_DIVISION = "NOTICE_UNKNOWN_DIVISION"
    NOTICE_GEOMETRY_DROPPED = "NOTICE_GEOMETRY_DROPPED"
    NOTICE_DIMENSION_DROPPED = "NOTICE_DIMENSION_DROPPED"
    NOTICE_CURVES = "NOTICE_CURVES"
    NOTICE_REPAIRED = "NOTICE_REPAIRED"

    @property
    def is_notice(self) -> bool:
        """Tell whether this kind never stops an import."""
        return self.value.startswith("NOTICE_")


FORCEABLE = frozenset({FaultKind.OUT_OF_BOUNDS, FaultKind.GCJ02_SUSPECTED})
"""Faults that --force-bounds turns into recorded notices."""

UNPLACED = frozenset(
    {
        FaultKind.UNREADABLE_FILE,
        FaultKind.LAYER_AMBIGUOUS,
        FaultKind.LAYER_UNKNOWN,
        FaultKind.CRS_MISSING,
        FaultKind.CRS_UNKNOWN,
        FaultKind.CRS_CONFLICT,
        FaultKind.CRS_DATUM,
        FaultKind.CRS_MISMATCH,
        FaultKind.MIXED_CRS,
        FaultKind.AXES_SWAPPED,
        FaultKind.GEOMETRY_MISSING,
        FaultKind.GEOMETRY_ENCODING,
        FaultKind.GEOMETRY_AMBIGUOUS,
    }
)
"""Faults of a source after which its geometries are not sent, because nobody can tell where they lie."""

UNREAD = frozenset({FaultKind.UNREADABLE_FILE, FaultKind.LAYER_AMBIGUOUS, FaultKind.LAYER_UNKNOWN})
"""Faults of a source after which nothing at all is sent."""
