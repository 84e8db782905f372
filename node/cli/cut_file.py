"""Versions as people give them: in the file of a cut, or one by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from guotu.model.division import split_dataset
from guotu.model.errors import InvalidQuestion


def read_cut(path: Path, option: str = "--cut") -> dict[str, int]:
    """Return the cut in a file: {"510000/dltb": 12}, any document that has it as "cut", or a saved answer of any form.

    Raises:
        InvalidQuestion: it cannot be read or is none of these; all faults are told.
    """
    from guotu.model.zones import told
    from node.cli.saved_answer import read_account

    account = read_account(path, option)
    found = account.get("cut", account)
    if not isinstance(found, Mapping) or not found:
        raise InvalidQuestion(part=option, detail=f'{path}: 应为 must be {{"510000/dltb": 12}}')
    cut, faults = {}, []
    for name, version in found.items():
        try:
            cut[checked_dataset(name, option)] = checked_version(version, option)
        except InvalidQuestion as failure:
            faults.append(f"{failure.facts['detail']}")
    if faults:
        raise InvalidQuestion(part=option, detail=f"{path}: {told(faults)}")
    return cut


def checked_dataset(name: str, part: str) -> str:
    """Return a dataset id.

    Raises:
        InvalidQuestion: it is none.
    """
    try:
        split_dataset(name)
    except ValueError as failure:
        raise InvalidQuestion(part=part, detail=f"不是数据集编号 {failure}") from failure
    return name


def checked_version(number: object, part: str) -> int:
    """Return a version's number.

    Raises:
        InvalidQuestion: it is none.
    """
    text = str(number)
    if isinstance(number, bool) or not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise InvalidQuestion(part=part, detail=f"{text[:40]!r}: 版本为正整数 a version is a whole number from 1")
    return int(text)
