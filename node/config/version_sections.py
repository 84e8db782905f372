"""The options of versions: where their objects are kept, how long, and how replicas are fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node.config.address import optional_address_fault
from node.config.names import bucket_fault, hours_fault, prefix_fault
from node.config.option import option


@dataclass(frozen=True, slots=True)
class ObjectsSection:
    """[objects]."""

    kind: str = option(
        "local",
        zh="版本对象存放处：local（数据目录内）或 s3（任何 S3 兼容存储）。",
        en="Where objects of versions are kept: local (in the data directory) or s3 (any S3-compatible store).",
        choices=("local", "s3"),
    )
    endpoint: str = option(
        "",
        zh="S3 地址，“主机:端口”。",
        en='Address of the S3 store, "host:port".',
        check=optional_address_fault,
    )
    bucket: str = option("", zh="S3 存储桶，须已存在。", en="S3 bucket; it must exist.", check=bucket_fault)
    prefix: str = option(
        "",
        zh="键的前缀；多个节点共用一个桶时各取其一。",
        en="Prefix of all keys; give each node its own where several share a bucket.",
        check=prefix_fault,
    )
    credentials_file: Path | None = option(
        None,
        zh="含 access_key 与 secret_key 两项的 TOML 文件，仅属主可读；不写入日志。",
        en="TOML file with access_key and secret_key, readable by its owner only; never logged.",
    )
    secure: bool = option(
        True,
        zh="用 TLS 访问 S3；信任本机信任的根证书，或 SSL_CERT_FILE 所指文件。",
        en="Reach S3 over TLS; trusted are the certificates that the machine trusts, or those in SSL_CERT_FILE.",
    )
    cache_mib: int = option(
        4096,
        zh="S3 对象的本地缓存上限；一次载入所需多于此数时，载入期间可暂时超出。",
        en="Most bytes of S3 objects kept in the local cache; a load that needs more may outgrow it meanwhile.",
        unit="MiB",
        minimum=64,
    )


@dataclass(frozen=True, slots=True)
class VersionsSection:
    """[versions]."""

    keep: int = option(
        3,
        zh="每个数据集保留可查询的版本数（含最新版）；0 为全部保留。",
        en="Versions of each dataset that stay queryable, the newest included; 0 keeps all.",
        minimum=0,
        maximum=10000,
    )
    keep_months: int = option(
        0,
        zh="另为最近若干个月每月保留最后一个版本。",
        en="Besides, the last version of each of so many past months stays.",
        minimum=0,
        maximum=1200,
    )
    grace_hours: float = option(
        24.0,
        zh="不再需要的对象先作标记，经此时长后才删除。",
        en="Objects that nothing needs any more are marked, and removed after this time.",
        unit="h",
        minimum=0,
        maximum=8760,
    )


@dataclass(frozen=True, slots=True)
class ReplicationSection:
    """[replication]."""

    bandwidth_mib_s: float = option(
        0.0,
        zh="取数带宽上限；0 为不限。",
        en="Most bytes fetched a second; 0 for no limit.",
        unit="MiB/s",
        minimum=0,
        maximum=100000,
    )
    hours: str = option(
        "",
        zh="允许取数的时段（本地时间），如 20:00-07:00，多个以逗号分隔；留空为全天。",
        en='Hours in which bytes may be fetched (local time), as "20:00-07:00", several joined by commas; empty: '
        "always.",
        check=hours_fault,
    )
    fetches: int = option(
        4,
        zh="同时进行的取数连接数上限。",
        en="Most ranges fetched at once.",
        minimum=1,
        maximum=64,
    )
    datasets: int = option(
        2,
        zh="同时更新的副本数上限。",
        en="Most replicas brought up to date at once.",
        minimum=1,
        maximum=64,
    )
