"""`guotu node init`: the configuration, the data directory and the node's key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.console import emit_json, say
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    from node.config import NodeConfig

_OPTIONS = {
    "id": "node.id", "name": "node.name", "data_dir": "node.data_dir", "listen": "grpc.listen",
    "advertise": "grpc.advertise", "allow_plaintext": "grpc.allow_plaintext", "metrics": "metrics.listen",
    "etcd": "registry.endpoints",
}  # fmt: skip
"""Which option of the configuration each option of the command sets."""


@click.command(
    short_help="写出配置并建立数据目录 write the configuration, make the data directory",
    epilog=examples(
        "guotu node init --id 510000 --etcd 10.0.0.1:2379",
        "guotu node init --id 510100 --data-dir /var/lib/guotu --listen 10.1.0.5:7083 -o /etc/guotu/510100.toml",
    ),
)
@click.option("--id", metavar="NODE", help="节点编号，如 510000 node id: division code")
@click.option("--name", help="名称，默认取区划名 name for people [default: the division's]")
@click.option("--data-dir", help="数据目录 data directory")
@click.option("--listen", metavar="HOST:PORT", help="gRPC 监听地址 gRPC listens here")
@click.option("--advertise", metavar="HOST:PORT", help="其他节点访问的地址 where other nodes reach it")
@click.option("--allow-plaintext", is_flag=True, default=None, help="非本机监听时不加密 no TLS beyond loopback")
@click.option("--metrics", metavar="HOST:PORT", help='指标监听地址，"" 为关闭 metrics listen here, "" for off')
@click.option("--etcd", multiple=True, metavar="HOST:PORT", help="etcd 地址，可重复 etcd member, repeatable")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="配置文件 the file to write")
@click.option("--force", is_flag=True, help="覆盖已有配置 overwrite a configuration that is there")
@json_option
@pass_session
def init(session: Session, /, output: Path | None, force: bool, as_json: bool, **given: Any) -> None:
    """写出带注释的配置，建立数据目录与密钥 write a commented configuration, make the data directory and the key.

    重复执行不改变已有的密钥与数据。不带选项时按已有配置补齐数据目录。

    Doing it again leaves key and data as they are; without options it completes what an existing configuration names.
    """
    path = output or session.config_path
    overrides = {_OPTIONS[name]: value for name, value in given.items() if value not in (None, ())}
    wrote = write_config(path, overrides, force)
    config = _load(path)
    made_key = make_home(config)
    if as_json:
        emit_json({"config": str(path), "written": wrote, "node": config.node.id,
                   "data_dir": str(config.node.data_dir), "key_created": made_key})  # fmt: skip
        return
    say(f"配置 configuration {path}  ({'已写出 written' if wrote else '未改动 unchanged'})")
    say(f"数据目录 data directory {config.node.data_dir}  (密钥 key: {'新建 new' if made_key else '已有 kept'})")
    say(f"启动 start it: guotu --config {path} node serve")


def write_config(path: Path, overrides: Mapping[str, Any], force: bool) -> bool:
    """Write a configuration unless it is there already; tells whether it was written.

    Raises:
        InvalidConfig: the values have faults; nothing is written then.
        Conflict: a different configuration is there and `force` is not set.
    """
    from guotu.model.errors import Conflict, InvalidConfig
    from node.config import config_from, config_toml

    if path.exists() and not overrides and not force:
        return False
    if "node.id" not in overrides:
        raise InvalidConfig(
            source=str(path), detail="请用 --id 给出节点编号 give the node's id with --id, such as 510000"
        )
    text = config_toml(overrides)
    config_from(tomllib.loads(text), path.absolute().parent, str(path))
    if path.exists() and not force:
        if path.read_text(encoding="utf-8") == text:
            return False
        raise Conflict(detail=f"{path} 已存在且内容不同，--force 可覆盖 exists and differs; --force overwrites it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def _load(path: Path) -> NodeConfig:
    from node.config import load_config

    return load_config(path)


def make_home(config: NodeConfig) -> bool:
    """Make the data directory and the node's key where they are missing; tells whether the key is new."""
    from node.data_directory import DataDirectory
    from sync.signing import NodeKey

    home = DataDirectory(config.node.data_dir)
    home.create()
    if home.node_key.exists():
        NodeKey.load(home.node_key)
        return False
    NodeKey.create(home.node_key)
    return True
