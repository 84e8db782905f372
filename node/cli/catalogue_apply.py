"""`guotu catalogue apply`: a catalogue file put in force, after its changes were shown."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import exit_codes
from node.cli.console import emit_json, say, show, table
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.registry_options import etcd_option, local_option, local_to, with_registry
from node.cli.session import Session

if TYPE_CHECKING:
    from registry.catalogue import CatalogueFile, Change, StoredCatalogue
    from registry.etcd import Etcd


@click.command(
    short_help="使目录文件生效 put a catalogue file in force",
    epilog=examples(
        "guotu catalogue apply catalogue-2027.toml --dry-run",
        "guotu catalogue apply catalogue-2027.toml --yes --json",
        "guotu catalogue apply our-layers.toml --local",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@etcd_option
@local_option
@click.option("--dry-run", is_flag=True, help="只显示差异 show what would change")
@click.option("--yes", is_flag=True, help="不再询问 do not ask")
@click.option("--prune", is_flag=True, help="删去文件中没有的图层 remove collections that the file does not have")
@json_option
@pass_session
def apply(
    session: Session,
    file: Path,
    etcd: tuple[str, ...],
    local: bool,
    dry_run: bool,
    yes: bool,
    prune: bool,
    as_json: bool,
) -> int:
    """检查目录文件，显示差异，确认后写入注册中心 check a catalogue file, show what changes, ask, and put it in force.

    可能使已发布数据不合新定义的改动标为“不兼容”。

    Changes that data already published may not satisfy are marked as breaking.
    """
    from registry.catalogue import parse_catalogue, read_catalogue

    wanted = parse_catalogue(file, local_to(session, local))
    seen = asyncio.run(with_registry(session, etcd, read_catalogue))
    changes = _changes(seen, wanted, prune)
    if not as_json:
        _show(changes)
    agreed = bool(changes) and not dry_run and (yes or _agree(changes, as_json))
    if agreed:
        asyncio.run(with_registry(session, etcd, lambda registry: _apply(registry, wanted, prune, seen)))
    if as_json:
        emit_json({"applied": agreed, "edition": wanted.edition, "changes": [_document(change) for change in changes]})
    else:
        say(_ending(changes, agreed))
    return exit_codes.OK


async def _apply(registry: Etcd, wanted: CatalogueFile, prune: bool, seen: StoredCatalogue) -> None:
    from registry.catalogue import apply_catalogue

    await apply_catalogue(registry, wanted, prune, seen)


def _changes(seen: StoredCatalogue, wanted: CatalogueFile, prune: bool) -> list[Change]:
    from registry.catalogue import ChangeKind, diff_catalogue

    changes = diff_catalogue(seen.collections, wanted)
    return [change for change in changes if prune or change.kind is not ChangeKind.REMOVED]


def _agree(changes: list[Change], as_json: bool) -> bool:
    """Ask on stderr; a program that reads JSON is not asked, it says --yes."""
    if as_json:
        return False
    breaking = sum(change.breaking for change in changes)
    question = f"写入 {len(changes)} 处改动（不兼容 {breaking}） apply them? [y/N]"
    answer: str = click.prompt(question, default="n", show_default=False, err=True)
    return answer.strip().lower() in ("y", "yes", "是")


def _show(changes: list[Change]) -> None:
    columns = ("图层 collection", "改动 change", "", "")
    rows = [(item.collection, item.zh, item.en, "不兼容 BREAKING" if item.breaking else "") for item in changes]
    if rows:
        show(table(f"差异 changes: {len(rows)}", columns, rows))


def _ending(changes: list[Change], agreed: bool) -> str:
    if not changes:
        return "没有差异 nothing changes"
    return f"已生效 in force: {len(changes)}" if agreed else "未写入 nothing was applied"


def _document(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind, "collection": change.collection, "subject": change.subject,
        "zh": change.zh, "en": change.en, "breaking": change.breaking,
    }  # fmt: skip
