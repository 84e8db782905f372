"""Exit codes: a total map from errors, and what scripts may rely on (docs/reference/cli.md)."""

from __future__ import annotations

from guotu.model import errors

OK = 0
INTERNAL = 1
INVALID = 2
PARTIAL = 3
INCOMPLETE = 4
NOT_FOUND = 5
UNAVAILABLE = 6
DEADLINE = 7
CONFLICT = 8
REFUSED = 9
DIFFERS = 10
"""`audit` found that a table is not the version, or `receipt verify` that a file is not what was signed."""
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143

EXIT_CODES: dict[type[errors.GuotuError], int] = {
    errors.GuotuError: INTERNAL,
    errors.InvalidInput: INVALID,
    errors.NotFound: NOT_FOUND,
    errors.TooLarge: INVALID,
    errors.Conflict: CONFLICT,
    errors.Unavailable: UNAVAILABLE,
    errors.Incomplete: INCOMPLETE,
    errors.DeadlineExceeded: DEADLINE,
    errors.Overloaded: UNAVAILABLE,
    errors.Refused: REFUSED,
    errors.Internal: INTERNAL,
}
"""A class not named here has the code of its nearest ancestor."""


def exit_code(error: type[errors.GuotuError]) -> int:
    """Return the exit code of an error class."""
    return next(EXIT_CODES[base] for base in error.__mro__ if base in EXIT_CODES)
