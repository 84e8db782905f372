"""The options of tracing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from node.config.address import address_fault
from node.config.option import option

_URL = re.compile(r"https?://(?P<address>[^/@]+)")


def endpoint_address(endpoint: str) -> str:
    """Return the "host:port" of an endpoint; empty if it is none."""
    match = _URL.fullmatch(endpoint)
    return "" if match is None or address_fault(match["address"]) else match["address"]


def _endpoint_fault(endpoint: str) -> str:
    if endpoint_address(endpoint):
        return ""
    return f"{endpoint!r} 应为 must be http://主机:端口 host:port, https://主机:端口 host:port"


@dataclass(frozen=True, slots=True)
class TracingSection:
    """[tracing]."""

    exporter: str = option(
        "off",
        zh="OpenTelemetry 链路追踪的去向：off（关闭）、otlp（采集器）、file（文件）、console（标准输出）。",
        en="Where OpenTelemetry spans go: off, otlp (a collector), file (networks without one), or console (stdout).",
        choices=("off", "otlp", "file", "console"),
    )
    endpoint: str = option(
        "http://127.0.0.1:4317",
        zh="otlp：采集器的 OTLP/gRPC 地址。https 用 [tls] 的证书（如有）。送不出时丢弃，不影响回答。",
        en="otlp: the collector's OTLP/gRPC address; https uses the certificates of [tls], if any. What cannot be "
        "sent is dropped, and no answer suffers.",
        check=_endpoint_fault,
    )
    file: Path = option(
        Path("guotu-spans.jsonl"),
        zh="file：写入的文件，一行一个 JSON；满 64 MiB 换新，旧的留一份（.1）。",
        en="file: written here, one JSON a line; begun anew at 64 MiB, and the one before is kept (.1).",
    )
    ratio: float = option(
        1.0,
        zh="从本节点开始的问题中追踪的比例；由其他节点转来的，以其决定为准。",
        en="Share of the questions that begin here which are traced; for those passed on by others, theirs decides.",
        minimum=0,
        maximum=1,
    )
