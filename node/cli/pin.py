"""`guotu pin` and `guotu unpin`: versions that retention leaves alone."""

from __future__ import annotations

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session


class VersionName(click.ParamType[tuple[str, int]]):
    """A version "510000/dltb@12"."""

    name = "DATASET@N"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return (dataset, number)."""
        if isinstance(value, tuple):
            return value
        dataset, _, number = value.rpartition("@")
        if not (dataset and number.isdecimal() and len(number) < 19 and int(number) > 0):
            self.fail(f"{value!r}: 应为 must be DATASET@N, 如 such as 510000/dltb@12", param, ctx)
        return dataset, int(number)


@click.command(
    short_help="保留某一版本 keep a version",
    epilog=examples("guotu pin 510000/dltb@12 --reason '2025 年度变更调查'"),
)
@click.argument("version", type=VersionName())
@click.option("--reason", default="", help="缘由 why, for people")
@json_option
@pass_session
def pin(session: Session, version: tuple[str, int], reason: str, as_json: bool) -> None:
    """保留某一版本，不因保留策略而清除 keep a version, whatever the retention policy says.

    在节点所在机器上运行，读取 --config。 Run it on the node's machine; it reads --config.
    """
    _set(session, version, True, reason, as_json)


@click.command(
    short_help="不再特别保留某一版本 keep a version no longer",
    epilog=examples("guotu unpin 510000/dltb@12"),
)
@click.argument("version", type=VersionName())
@json_option
@pass_session
def unpin(session: Session, version: tuple[str, int], as_json: bool) -> None:
    """不再特别保留某一版本 leave a version to the retention policy again.

    在节点所在机器上运行，读取 --config。 Run it on the node's machine; it reads --config.
    """
    _set(session, version, False, "", as_json)


def _set(session: Session, version: tuple[str, int], pinned: bool, reason: str, as_json: bool) -> None:
    from guotu.wire.care import CareClient
    from node.cli.console import emit_json, stdout
    from node.cli.operating import admin_socket

    dataset, number = version
    with CareClient(admin_socket(session.config())) as care:
        changed = care.pin(dataset, number, pinned, reason)
    if as_json:
        emit_json({"dataset": dataset, "version": number, "pinned": pinned, "changed": changed})
        return
    state = "已保留 pinned" if pinned else "不再特别保留 not pinned"
    stdout().print(f"{dataset}@{number} {state}" + ("" if changed else " (原已如此 it was so before)"))
