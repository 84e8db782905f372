"""Exit codes: every error has one, and scripts can tell kinds of failure apart."""

from __future__ import annotations

import pytest

from guotu.model import errors
from node.cli.exit_codes import EXIT_CODES, exit_code


@pytest.mark.parametrize("kind", list(errors.error_classes()))
def test_every_error_has_an_exit_code_of_a_failure(kind: type[errors.GuotuError]) -> None:
    assert 1 <= exit_code(kind) <= 9
    assert exit_code(kind) != 3, "3 is a partial answer, which is no error"


def test_direct_branches_of_the_tree_are_named_and_not_only_caught_by_the_root() -> None:
    assert set(errors.GuotuError.__subclasses__()) <= EXIT_CODES.keys()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.InvalidFilter, 2), (errors.ImportRefused, 2), (errors.TooLarge, 2), (errors.NobodyAnswered, 4),
        (errors.UnknownField, 5), (errors.RegistryUnavailable, 6), (errors.DeadlineExceeded, 7),
        (errors.IdentityTaken, 8), (errors.Refused, 9), (errors.CorruptObject, 1),
    ],
)  # fmt: skip
def test_an_error_has_the_code_of_its_branch(kind: type[errors.GuotuError], code: int) -> None:
    assert exit_code(kind) == code
