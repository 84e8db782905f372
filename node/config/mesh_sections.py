"""The options of a node's place in the mesh: who it is, whom it stands under, and how it asks others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guotu.model.division import is_node_id
from guotu.model.records import MAX_ALSO_UNDER
from node.config.option import option


def _node_id_fault(node: str) -> str:
    if is_node_id(node):
        return ""
    return f"{node!r} 应为六位行政区划代码，可加“-单位后缀” must be six digits, optionally '-' and a unit suffix"


def _optional_node_id_fault(node: str) -> str:
    return _node_id_fault(node) if node else ""


def _node_ids_fault(nodes: tuple[str, ...]) -> str:
    if len(nodes) > MAX_ALSO_UNDER:
        return f"{len(nodes)} 项，至多 entries, at most {MAX_ALSO_UNDER}"
    return "; ".join(filter(None, map(_node_id_fault, nodes)))


@dataclass(frozen=True, slots=True)
class NodeSection:
    """[node]."""

    id: str = option(
        zh="节点编号：六位行政区划代码（GB/T 2260），同一区划有多个节点时加“-单位后缀”，如 510000-ch。全网唯一。",
        en="Node id: division code, six digits (GB/T 2260); with a unit suffix (510000-ch) if the division has several "
        "nodes. Unique in the mesh.",
        check=_node_id_fault,
        example="510000",
    )
    name: str = option(
        "",
        zh="给人看的名称；留空则取行政区划名录中的名称。",
        en="Name for people; empty: the division's name in the gazetteer.",
    )
    data_dir: Path = option(
        Path("guotu-data"),
        zh="数据目录（身份密钥、数据库、对象、管理套接字）；相对路径从本文件所在目录算起。只可一个进程使用。",
        en="Data directory (identity key, database, objects, admin socket); a relative path starts at this file's "
        "directory. For one process only.",
    )
    reached_through: str = option(
        "",
        zh="本节点只能经此上级节点访问（外部网络不能直连本节点时填写），如 510000；留空则谁都可以直接访问。"
        "其他节点从不直连本节点：问题经它转达，复制须先由它订阅。",
        en="The node above through which alone this one is reached, where others' networks do not lead here (510000); "
        "empty: anyone may call it. Other nodes never dial it: questions go through that node, and replicas of its "
        "datasets are fetched from those that that node has.",
        check=_optional_node_id_fault,
    )
    also_under: tuple[str, ...] = option(
        (),
        zh="除行政区划之外，本节点还隶属的上级节点（如测绘部门的 510000-ch）；向它们提问时也包含本节点，"
        "共同的上级只计一次。",
        en="Nodes above that this one also stands under, besides the tree of divisions (510000-ch, the surveying "
        "department's): questions to them reach this node too, and whoever stands above both counts it once.",
        check=_node_ids_fault,
    )


@dataclass(frozen=True, slots=True)
class FederationSection:
    """[federation]."""

    prefer: str = option(
        "owner",
        zh="数据集有副本时先问谁：owner（所有者），或 nearest（近者：本节点的副本，再按实测往返时间；答案相同）。",
        en="Whom to ask first where a dataset has replicas: owner, or nearest (this node's own replica, then by "
        "measured round trip; the answer is the same).",
        choices=("owner", "nearest"),
    )
    bypass: bool = option(
        True,
        zh="下级节点在名单中而不应答时，绕过它直接询问它之下可以直连的节点；否则它之下的数据只由副本作答，或报缺。",
        en="Where a member is registered and does not answer, ask those below it that may be dialed without it; "
        "if not, what lies behind it is answered by replicas, or missing.",
    )
