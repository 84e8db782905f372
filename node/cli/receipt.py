"""`guotu receipt`: what a node signed of an answer, checked against the answer as it was saved."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session


@click.group(short_help="回执 receipts of answers", epilog=examples("guotu receipt verify urban.parquet"))
def receipt() -> None:
    """回执：节点对其回答的签名凭据 receipts: what nodes signed of their answers."""


@receipt.command(
    "verify",
    short_help="核验回执 verify a saved answer by its receipt",
    epilog=examples(
        "guotu query landcover --where 'igbp = 13' -o urban.parquet && guotu receipt verify urban.parquet",
        "guotu receipt verify urban.csv --key 3f0c…9a --json",
        "guotu receipt verify cross.csv --parts job",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key",
    default="",
    metavar="HEX|FILE",
    help="签名节点的公钥或其指纹，缺省查目录 the node's public key or its fingerprint [as it is registered]",
)
@click.option(
    "--parts",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="分部的组过多而未存时，作业目录（overlay --resume） the job's folder (overlay --resume), where FILE does not "
    "keep the groups of its parts, as they are too many",
)
@json_option
@pass_session
def verify(session: Session, file: Path, key: str, parts: Path | None, as_json: bool) -> int:
    """核验回执 verify a saved answer by its receipt.

    FILE 为存有回答的文件（任何格式，或 --json 的输出）。查验签名、文件所附说明与签名内容是否一致，并读回各行重算摘要。
    由多次回答汇成的，逐一查验各分部的回执：无缺无重，同一问题与切面，各行为其汇总。
    格式存不下的值（如 NaN）、中断成员的行、大分区的切块不可证。
    退出码：0 全部得证，3 有不可证，10 有不符，9 公钥无人担保。

    FILE is a saved answer, of any form. The signature is checked, then that what stands beside the rows is what was
    signed, and that the rows, read back, give the digest. Of an answer that was put together the receipts of all parts
    are checked: none is missing or double, all are of one question and cut, and the rows are what they add up to.
    Values that a form does not keep (such as NaN), rows of members that were cut short, and that the pieces of a large
    zone are all of it, cannot be proven. Exit codes: 0 all is proven, 3 something is not, 10 something differs, 9
    nobody vouches for the key.
    """
    from node.cli.receipt_check import check
    from node.cli.receipt_keys import signer_key
    from node.cli.receipt_report import report_findings
    from node.cli.saved_receipt import read_receipt
    from node.cli.whole_check import check_whole

    saved = read_receipt(file, parts)
    told = signer_key(session, saved, key)
    found = check(saved, told.key) if saved.whole is None else check_whole(saved, saved.whole, told.key)
    return report_findings(saved, told, found, as_json)
