"""`guotu subscribe`: from now on the node keeps replicas of others' datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.parameters import NameList
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.wire.subscriptions import Subscribed
    from node.cli.area import NamedArea
    from node.config import NodeConfig


@click.command(
    short_help="订阅数据集 keep replicas of others' datasets",
    epilog=examples(
        "guotu subscribe 510000/dltb",
        "guotu subscribe landcover --from 510000 --from 500000",
        "guotu subscribe 510000/dltb --area 510100 --schedule 20:00-06:00",
        "guotu subscribe dltb --area basin.gpkg --schedule 12:00-13:30,22:00-05:00 --json",
    ),
)
@click.argument("subject", metavar="DATASET|COLLECTION")
@click.option(
    "--from",
    "owners",
    type=NameList(),
    multiple=True,
    metavar="NODE",
    help="只订这些节点的，可重复 only the datasets of these nodes; repeatable [全部 all]",
)
@click.option(
    "--area",
    default="",
    metavar="DIVISION|FILE",
    help="只存该范围：六位行政区划代码，或面图层文件 only this area: a six-digit division code, or a file of polygons",
)
@click.option(
    "--schedule",
    default="",
    metavar="HH:MM-HH:MM",
    help="只在此时段取数，可用逗号并列 fetch in these hours only, local time, several joined by commas [随时 always]",
)
@json_option
@pass_session
def subscribe(
    session: Session, subject: str, owners: tuple[tuple[str, ...], ...], area: str, schedule: str, as_json: bool
) -> None:
    """订阅数据集或图层：本节点自此保存副本并随新版本更新 keep replicas of a dataset, or of a collection's datasets.

    在节点所在机器上运行，读取 --config。再次订阅同一对象即修改其范围与时段；已有的数据不会重取。
    行政区划的范围由网内 county 图层的县界拼成，缺一县即报错，绝不以外框代替。

    Replication begins by itself and follows new versions; `guotu replicas` shows how it stands. Run it on the node's
    machine; it reads --config. Subscribing again changes area and hours; what is already there is not fetched anew. A
    division is drawn from the collection county, asked from this node (or from --node, if given): if one county is
    missing that is an error, never a rough area.
    """
    from guotu.wire.subscriptions import SubscriptionsClient
    from node.cli.operating import admin_socket

    config = session.config()
    with SubscriptionsClient(admin_socket(config)) as subscriptions:
        drawn = _drawn(session, config, area) if area else None
        named = [owner for part in owners for owner in part]
        subscribed = subscriptions.subscribe(
            subject, named, drawn.wkb if drawn else b"", drawn.name if drawn else "", schedule
        )
    _show(subject, subscribed, drawn, as_json)


def _drawn(session: Session, config: NodeConfig, area: str) -> NamedArea:
    """Return the area; a division is asked of the operator's own node unless another one is named."""
    from guotu.wire.admin import AdminClient
    from node.cli.area import area_of
    from node.cli.operating import admin_socket
    from node.cli.read_back import connect_to

    if _node_given():
        with session.client() as mesh:
            return area_of(area, mesh)
    with AdminClient(admin_socket(config)) as admin:
        node, _ = admin.status()
    with connect_to(node.address, config) as mesh:
        return area_of(area, mesh)


def _node_given() -> bool:
    source = click.get_current_context().find_root().get_parameter_source("node")
    return source is not ParameterSource.DEFAULT


def _show(subject: str, subscribed: Subscribed, drawn: NamedArea | None, as_json: bool) -> None:
    from node.cli.console import emit_json, stdout

    if as_json:
        emit_json(
            {
                "subject": subject,
                "created": subscribed.created,
                "datasets": list(subscribed.datasets),
                "area_name": drawn.name if drawn else "",
            }
        )
        return
    word = "已订阅 subscribed" if subscribed.created else "已更改订阅 subscription changed"
    place = f"  范围 area: {drawn.name}" if drawn else ""
    stdout().print(f"{word}  {subject}{place}")
    names = ", ".join(subscribed.datasets) or "暂无，出现时自动跟上 none yet, they follow as they appear"
    stdout().print(f"数据集 datasets: {names}")
