"""What is not served, and what is not believed."""

from __future__ import annotations

from guotu.model.errors.root import GuotuError


class Refused(GuotuError):
    """The node does not serve this to this caller. Facts: detail."""

    reason = "REFUSED"
    zh = "拒绝：{detail}。"
    en = "refused: {detail}."


class VersionRefused(Refused):
    """A version that came from elsewhere does not hold. Facts: dataset, version, detail."""

    reason = "VERSION_REFUSED"
    zh = "拒收 {dataset}@{version}：{detail}；保留原有版本。"
    en = "{dataset}@{version} was refused: {detail}; what was there stays."
    remedy_zh = "请与发布节点核对。"
    remedy_en = "Ask the publishing node."


class UntrustedKey(Refused):
    """The key that signed is not known as the publisher's. Facts: node, fingerprint."""

    reason = "UNTRUSTED_KEY"
    zh = "不认识节点 {node} 的签名公钥（指纹 {fingerprint}）。"
    en = "the signing key of node {node} (fingerprint {fingerprint}) is not known here."
    remedy_zh = "与该节点核对指纹后，用 --trust {node}={fingerprint} 确认。"
    remedy_en = "Check the fingerprint with that node, then confirm it with --trust {node}={fingerprint}."


class UnconfirmedKey(UntrustedKey):
    """Nobody vouches for the key that signed a receipt. Facts: node, fingerprint."""

    reason = "UNCONFIRMED_KEY"
    remedy_zh = "与该节点核对指纹后，用 --key {fingerprint} 确认，或用 --node 问一个看得到它的节点。"
    remedy_en = "Check the fingerprint with that node, then give --key {fingerprint}, or --node of one that sees it."
