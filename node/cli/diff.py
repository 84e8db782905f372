"""`guotu diff`: how one version of a dataset differs from another."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    import pyarrow as pa

    from guotu.wire.diffs import DiffClient, DiffFrame
    from node.cli.diff_stream import DiffStream

_SHOWN = 50
"""Features in a table, unless a limit is given."""


@click.command(
    short_help="比较两个版本 compare two versions of a dataset",
    epilog=examples(
        "guotu diff 510000/dltb 11 12",
        "guotu diff 510000/dltb 11 0 --out changes.gpkg",
        "guotu diff 510000/dltb 11 12 --format geojson --limit 1000",
        "guotu diff 510000/dltb 11 12 --json",
    ),
)
@click.argument("dataset")
@click.argument("since", type=click.IntRange(min=1))
@click.argument("until", type=click.IntRange(min=0))
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "geojson", "gpkg", "parquet"]),
    help="格式 form [文件名所示，否则表格 as the file's name says, else table]",
)
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="写入文件 file")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="最多显示或写出的要素数，0 为不限 most features shown or written, 0 for all [表格 table 50]",
)
@json_option
@pass_session
def diff(
    session: Session,
    dataset: str,
    since: int,
    until: int,
    form: str | None,
    out: Path | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """比较两个版本：从版本 SINCE 到 UNTIL（0 为最新版） how version UNTIL (0: the newest) differs from version SINCE.

    表格先列各类变化的数量与面积，再列每个要素的变化；--json 只给出汇总。

    A table counts the changes and their areas, then shows what changed in each feature; --json gives the summary only.
    """
    from guotu.model.errors import InvalidQuestion
    from node.cli.diff_files import chosen_form

    chosen = chosen_form(form, out)
    if as_json and chosen != "table" and out is None:
        raise InvalidQuestion(part="--json", detail="写出要素须同时给出 --out features need --out beside it")
    most = limit if limit is not None else _SHOWN if chosen == "table" else 0
    with _client(session) as client, closing(_frames(client, dataset, since, until)) as frames:
        stream = _stream(dataset, frames, most)
        _deliver(session, stream, chosen, out, as_json)


def _deliver(session: Session, stream: DiffStream, form: str, out: Path | None, as_json: bool) -> None:
    from node.cli.console import emit_json
    from node.cli.diff_files import write_difference

    if form == "table":
        if as_json:
            for _ in stream:
                pass
            emit_json(stream.account())
        else:
            _show(stream, _titles(session, stream.dataset))
        return
    write_difference(stream, form, out)
    if as_json:
        emit_json({"file": str(out), **stream.account()})
    elif out is not None:
        _say(stream, out)


def _show(stream: DiffStream, titles: dict[str, str]) -> None:
    from node.cli.change_table import change_table
    from node.cli.console import show, stdout
    from node.cli.diff_table import diff_table
    from node.cli.wording import count

    made = diff_table(stream, titles)
    show(change_table(stream.change))
    if stream.handed:
        show(made)
    if stream.handed < stream.change.count:
        stdout().print(
            f"… 显示前 shown: {count(stream.handed)} / {count(stream.change.count)} 要素 features (--limit, -o)"
        )


def _say(stream: DiffStream, out: Path) -> None:
    from node.cli.change_table import change_table
    from node.cli.console import say, stderr
    from node.cli.wording import count

    stderr().print(change_table(stream.change))
    say(f"{out}: {count(stream.handed)} 要素 features")


def _client(session: Session) -> DiffClient:
    """Return a connection to the node asked.

    Raises:
        InvalidQuestion: only some of the TLS files are given, or one is not there.
    """
    from guotu.model.errors import InvalidQuestion
    from guotu.wire.diffs import DiffClient
    from guotu.wire.endpoint import TlsFiles

    cert, key, ca = session.tls_cert, session.tls_key, session.tls_ca
    if (cert or key or ca) and not (cert and key and ca):
        raise InvalidQuestion(part="TLS", detail="certificate, key and CA go together")
    try:
        return DiffClient(session.node, TlsFiles(cert, key, ca) if cert and key and ca else None, session.timeout)
    except OSError as failure:
        raise InvalidQuestion(part="--tls", detail=str(failure)) from failure


def _frames(client: DiffClient, dataset: str, since: int, until: int) -> Generator[DiffFrame, None, None]:
    from node.cli.background import in_background

    yield from in_background(lambda: client.diff(dataset, since, until))


def _stream(dataset: str, frames: Iterator[DiffFrame], limit: int) -> DiffStream:
    from guotu.model.errors import Internal
    from guotu.wire.diffs import DiffHeader
    from node.cli.diff_stream import DiffStream

    header = next(frames, None)
    if not isinstance(header, DiffHeader):
        raise Internal(detail="没有差异的表头 the node sent no header")
    return DiffStream(dataset, header, _batches(frames), limit)


def _batches(frames: Iterator[DiffFrame]) -> Iterator[pa.RecordBatch]:
    yield from frames


def _titles(session: Session, dataset: str) -> dict[str, str]:
    """Return the titles of the fields; none for a collection that the catalogue has no more."""
    from guotu.model.errors import UnknownCollection

    with session.client() as mesh:
        try:
            collection = mesh.collection(dataset.partition("/")[2])
        except UnknownCollection:
            return {}
    return {field.name: field.title for field in collection.fields}
