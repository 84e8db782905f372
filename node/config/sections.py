"""The options of a node: one frozen dataclass a section, each option documented where it is defined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node.config.address import address_fault, addresses_fault, optional_address_fault
from node.config.credentials import url_fault
from node.config.mesh_sections import FederationSection, NodeSection
from node.config.option import option, section
from node.config.tracing_section import TracingSection
from node.config.version_sections import ObjectsSection, ReplicationSection, VersionsSection


@dataclass(frozen=True, slots=True)
class GrpcSection:
    """[grpc]."""

    listen: str = option(
        "127.0.0.1:7083",
        zh="gRPC 监听地址，“主机:端口”。监听非本机地址须配置 [tls]，或明示 allow_plaintext = true。",
        en='gRPC listens here, "host:port". Other than loopback needs [tls], or allow_plaintext = true.',
        check=address_fault,
    )
    advertise: str = option(
        "",
        zh="其他节点访问本节点的地址，写入注册中心；留空则同 listen。",
        en="Where other nodes reach this one, as the registry tells them; empty: as listen.",
        check=optional_address_fault,
    )
    max_concurrent_questions: int = option(
        32,
        zh="同时回答的问题数上限，超出者排队，各调用方轮流。",
        en="Most questions answered at once; more wait, and callers take turns.",
        minimum=1,
        maximum=1024,
    )
    max_waiting_questions: int = option(
        128,
        zh="排队的问题数上限；超出者，及排队 5 秒仍未轮到者，被告知正忙与何时重试。",
        en="Most questions that wait; more, and those that have waited for 5 s, are told that the node is busy and "
        "when to come back.",
        minimum=0,
        maximum=100_000,
    )
    default_timeout_s: float = option(
        60.0,
        zh="问题未带时限时采用的时限。",
        en="Deadline of a question that comes without one.",
        unit="s",
        minimum=0.1,
        maximum=86400,
    )
    allow_plaintext: bool = option(
        False,
        zh="允许在非本机地址上不加密（仅限可信网络或由外部设备加密时）。",
        en="Listen beyond loopback without TLS (only in a trusted network, or where something else encrypts).",
    )


@dataclass(frozen=True, slots=True)
class TlsSection:
    """[tls]."""

    cert_file: Path | None = option(
        None,
        zh="本节点证书链（PEM）。三项同时给出或同时留空。",
        en="Certificate chain of this node (PEM). Give all three or none.",
    )
    key_file: Path | None = option(None, zh="证书私钥（PEM）。", en="Private key of the certificate (PEM).")
    ca_file: Path | None = option(
        None,
        zh="信任的根证书（PEM）；双方互验（mTLS）。",
        en="Certificates trusted (PEM); both sides prove who they are (mTLS).",
    )


@dataclass(frozen=True, slots=True)
class MetricsSection:
    """[metrics]."""

    listen: str = option(
        "127.0.0.1:9083",
        zh="Prometheus 指标（/metrics）的监听地址；留空则关闭。",
        en="Prometheus metrics (/metrics) listen here; empty: off.",
        check=optional_address_fault,
    )


@dataclass(frozen=True, slots=True)
class RegistrySection:
    """[registry]."""

    endpoints: tuple[str, ...] = option(
        ("127.0.0.1:2379",),
        zh="etcd 集群各成员地址，“主机:端口”。",
        en='Members of the etcd cluster, "host:port".',
        check=addresses_fault,
    )
    cert_file: Path | None = option(
        None,
        zh="访问 etcd 的客户端证书（PEM）。三项同时给出或同时留空。",
        en="Client certificate for etcd (PEM). Give all three or none.",
    )
    key_file: Path | None = option(None, zh="客户端证书私钥（PEM）。", en="Private key of that certificate (PEM).")
    ca_file: Path | None = option(None, zh="etcd 的根证书（PEM）。", en="Certificates trusted for etcd (PEM).")
    lease_ttl_s: int = option(
        5,
        zh="注册租约：节点失联后经此时长从名单中消失。",
        en="Lease of the registration: a silent node leaves the list after it.",
        unit="s",
        minimum=2,
        maximum=600,
    )
    wait_s: float = option(
        30.0,
        zh="启动时等待 etcd 的最长时间。",
        en="How long to wait for etcd at start.",
        unit="s",
        minimum=0,
        maximum=86400,
    )


@dataclass(frozen=True, slots=True)
class StoreSection:
    """[store]."""

    kind: str = option(
        "duckdb",
        zh="存储引擎：duckdb（内嵌，无须安装）或 postgis（已有的 PostgreSQL 15 以上数据库）。"
        '可简写为 store = "postgresql://…"（代替整节）。',
        en="Store: duckdb (embedded, nothing to install), or postgis (a PostgreSQL database, 15 or later, that is "
        'there already). In short: store = "postgresql://…" in place of the section.',
        choices=("duckdb", "postgis"),
    )
    url: str = option(
        "",
        zh="postgis：数据库网址 postgresql://用户:口令@主机:端口/数据库。每个节点用各自的数据库；"
        "guotu 只动其中的 guotu 模式。",
        en="postgis: URL of the database, postgresql://user:password@host:port/database. Each node has a database of "
        "its own, in which guotu keeps to the schema guotu.",
        check=url_fault,
        secret=True,
    )
    url_file: Path | None = option(
        None,
        zh="postgis：存放网址的文件，一行，只许属主读取（chmod 600）；与 url 二者取一。",
        en="postgis: file that holds the URL, one line, which only its owner may read (chmod 600); in place of url.",
    )
    connections: int = option(
        40,
        zh="postgis：读取用的数据库连接数上限；每个正在回答的问题占一个，不宜少于 grpc.max_concurrent_questions。"
        "另有一个用于写入，一个用于物化表。",
        en="postgis: most connections for reading; each question that is being answered holds one, so not fewer than "
        "grpc.max_concurrent_questions. One more is for writing, and one for tables given to others.",
        minimum=1,
        maximum=1000,
    )
    statement_timeout_s: float = option(
        3600.0,
        zh="postgis：单次读取在数据库中的最长时间。",
        en="postgis: how long the database may take for one read.",
        unit="s",
        minimum=1,
        maximum=604800,
    )
    memory_limit_mib: int = option(
        1024,
        zh="duckdb：可用内存上限；超出部分落盘。",
        en="duckdb: most memory; what does not fit goes to disk.",
        unit="MiB",
        minimum=64,
    )
    threads: int = option(
        0,
        zh="duckdb：线程数；0 为处理器核数。",
        en="duckdb: threads; 0: as many as there are cores.",
        minimum=0,
        maximum=1024,
    )
    readers: int = option(
        4,
        zh="duckdb：同时进行的读取数上限。",
        en="duckdb: most reads at once.",
        minimum=1,
        maximum=256,
    )


@dataclass(frozen=True, slots=True)
class IngestSection:
    """[ingest]."""

    bounds_tolerance_deg: float = option(
        0.001,
        zh="数据范围可超出本区划边界的容差（0.001° 约 100 米）。",
        en="How far data may reach beyond the division (0.001° is about 100 m).",
        unit="°",
        minimum=0,
        maximum=10,
    )


@dataclass(frozen=True, slots=True)
class LogSection:
    """[log]."""

    level: str = option(
        "info",
        zh="日志级别。",
        en="Level of the log.",
        choices=("debug", "info", "warning", "error"),
    )
    format: str = option(
        "json",
        zh="日志格式：json（一行一条，便于采集）或 text（便于阅读）。",
        en="Form of the log: json (one object a line, for collectors) or text (for reading).",
        choices=("json", "text"),
    )


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A node's whole configuration. Paths are absolute once loaded."""

    node: NodeSection = section(NodeSection, zh="本节点", en="This node")
    grpc: GrpcSection = section(GrpcSection, zh="服务接口", en="Service")
    tls: TlsSection = section(TlsSection, zh="加密与互验", en="Encryption and mutual proof")
    metrics: MetricsSection = section(MetricsSection, zh="监控指标", en="Metrics")
    registry: RegistrySection = section(RegistrySection, zh="注册中心 etcd", en="Registry (etcd)")
    store: StoreSection = section(StoreSection, zh="存储", en="Store")
    objects: ObjectsSection = section(ObjectsSection, zh="版本对象", en="Objects of versions")
    replication: ReplicationSection = section(ReplicationSection, zh="复制", en="Replication")
    versions: VersionsSection = section(VersionsSection, zh="版本", en="Versions")
    federation: FederationSection = section(FederationSection, zh="联合回答", en="Federation")
    ingest: IngestSection = section(IngestSection, zh="入库检查", en="Import")
    log: LogSection = section(LogSection, zh="日志", en="Log")
    tracing: TracingSection = section(TracingSection, zh="链路追踪", en="Tracing")
