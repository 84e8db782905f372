"""`guotu package`: versions in a file, for networks that no wire joins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.parameters import Assignment
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.wire.care import WorkProgress
    from guotu.wire.packages import PackagesClient, PackageSummary

_STAGES = {"export": "导出 export", "verify": "核验 verify", "import": "导入 import", "load": "装载 load"}
_SINCE = re.compile(r"(?P<dataset>[^@]+)@(?P<version>\d{1,18})")


@click.group(
    short_help="数据包 versions in a file",
    epilog=examples(
        "guotu package export 510000/dltb -o dltb.guotu",
        "guotu package export 510000/dltb 510000/county --since 510000/dltb@12 -o week-36.guotu",
        "guotu package import /media/usb/week-36.guotu",
    ),
)
def package() -> None:
    """数据包：在不相连的网络之间用磁盘传递已签名的版本 signed versions in a file, for networks that no wire joins."""


@package.command(
    "export",
    short_help="导出 write versions to a file",
    epilog=examples(
        "guotu package export 510000/dltb -o dltb.guotu",
        "guotu package export 510000/dltb --since 510000/dltb@12 -o dltb-13.guotu",
        "guotu package export 510000/dltb 510000/county --since received.json -o week-36.guotu --json",
    ),
)
@click.argument("datasets", metavar="DATASET…", nargs=-1, required=True)
@click.option(
    "--since",
    "since",
    multiple=True,
    metavar="DATASET@N|FILE",
    help="对方已有的版本，可重复；或切面文件，如导入时 --json 的输出 what the receiver has, repeatable; "
    "or a file with a cut, such as what its import printed with --json",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="数据包文件，由节点写入，不覆盖已有文件 the file; the node writes it, and never over another",
)
@json_option
@pass_session
def export(session: Session, datasets: tuple[str, ...], since: tuple[str, ...], output: Path, as_json: bool) -> None:
    """把数据集的版本写入一个已签名的文件 write versions of datasets to one signed file.

    给出 --since 时只含其后的变化，接收方须已有该版本（@0 为全部历史）；未给出时从最近的完整版本起，接收方无须已有版本。
    在节点所在机器上运行，读取 --config。文件写完并落盘后才以此名出现。

    With --since it has only what changed after that version, which the receiver must have (@0: all of its history);
    without, it begins with the nearest version that is whole, and the receiver need not have anything. Run it on the
    node's machine; it reads --config. The file appears under its name once it is whole.
    """
    cut = _cut(since, datasets)
    told = _run(session, lambda packages: packages.export(datasets, cut, output.absolute()))
    _show(told, "已导出 exported", output, as_json, imported=False)


@package.command(
    "import",
    short_help="导入 take versions from a file",
    epilog=examples(
        "guotu package import /media/usb/dltb.guotu",
        "guotu package import dltb.guotu --trust 510000=7b1f…64 位十六进制 hex digits…",
        "guotu package import week-36.guotu --json > received.json",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--trust",
    "trust",
    type=Assignment(),
    multiple=True,
    metavar="NODE=FINGERPRINT",
    help="已与该节点核对过的公钥指纹（SHA-256），可重复 fingerprint of a node's key, as that node told it; repeatable",
)
@json_option
@pass_session
def import_(session: Session, file: Path, trust: tuple[tuple[str, str], ...], as_json: bool) -> None:
    """从文件导入版本 take versions from a file.

    先核验签名、每个文件的摘要与版本链，再逐个版本装载并验证内容。已有的跳过，中断后再次执行即可接续；
    有缺口、分叉或损坏时拒绝，说明原因，已有的数据不变。在节点所在机器上运行，读取 --config。

    Signatures, hashes and the chain of versions are checked first; then each version is loaded and its content
    proven. What is here already is skipped, so doing it again goes on where it was broken off. Gaps, forks and damage
    are refused with the reason, and what is here stays. Run it on the node's machine; it reads --config.
    """
    told = _run(session, lambda packages: packages.take(file.absolute(), dict(trust)))
    _show(told, "已导入 imported", file, as_json, imported=True)


def _cut(since: tuple[str, ...], datasets: tuple[str, ...]) -> dict[str, int]:
    """Return the cut that the options tell: DATASET@N, or a file, of which only the datasets asked for count.

    Raises:
        InvalidQuestion: one is neither.
    """
    from guotu.model.errors import InvalidQuestion
    from node.cli.cut_file import read_cut

    cut: dict[str, int] = {}
    for text in since:
        told = _SINCE.fullmatch(text)
        if told is not None and not Path(text).is_file():
            cut[told["dataset"]] = int(told["version"])
        elif Path(text).is_file():
            cut |= {
                dataset: version for dataset, version in read_cut(Path(text), "--since").items() if dataset in datasets
            }
        else:
            detail = f"{text!r}: 应为 DATASET@N 或文件 must be DATASET@N or a file"
            raise InvalidQuestion(part="--since", detail=detail)
    return cut


def _run(
    session: Session, order: Callable[[PackagesClient], Iterator[WorkProgress | PackageSummary]]
) -> PackageSummary:
    from guotu.model.errors import NodeUnavailable
    from guotu.wire.packages import PackagesClient, PackageSummary
    from node.cli.background import in_background
    from node.cli.operating import admin_socket
    from node.cli.work_progress import WorkProgressBars

    socket = admin_socket(session.config())
    with PackagesClient(socket) as packages, WorkProgressBars(_STAGES) as bars:
        for frame in in_background(lambda: order(packages)):
            if isinstance(frame, PackageSummary):
                return frame
            bars.update(frame)
    raise NodeUnavailable(address=str(socket), detail="没有结果 the node ended the call without a result")


def _show(told: PackageSummary, word: str, file: Path, as_json: bool, imported: bool) -> None:
    from node.cli.console import emit_json, show, stdout, table
    from node.cli.wording import count, size

    if as_json:
        document: dict[str, Any] = {
            "file": str(file.absolute()),
            "cut": dict(sorted(told.cut.items())),
            "versions": told.versions,
            "objects": told.objects,
            "bytes": told.size_bytes,
        }
        emit_json(document | ({"taken": told.taken} if imported else {}))
        return
    new = f", 其中新 of them new {count(told.taken)}" if imported else ""
    held = f"版本 versions {count(told.versions)}{new}, 对象 objects {count(told.objects)}, {size(told.size_bytes)}"
    stdout().print(f"{word} {file}: {held}")
    rows = [(dataset, version) for dataset, version in sorted(told.cut.items())]
    show(table("", ("数据集 dataset", "至版本 up to version"), rows, numeric=("至版本 up to version",)))
