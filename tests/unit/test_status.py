"""Errors cross the wire as themselves: class, facts and both languages."""

from __future__ import annotations

import re

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model import errors
from guotu.wire.status import GRPC_CODES, error_from, grpc_code, status_of

CLASSES = list(errors.error_classes())
Trailing = tuple[tuple[str, bytes], ...]
_SAMPLES: dict[str, errors.Fact] = {
    "size": 12,
    "limit": 1.5,
    "version": 3,
    "seconds": 0.25,
    "faults": 2,
    "retry_s": 1.5,
}


def facts_of(kind: type[errors.GuotuError]) -> dict[str, errors.Fact]:
    """Return a fact for every placeholder of a class's sentences."""
    sentences = kind.zh + kind.en + kind.remedy_zh + kind.remedy_en
    names = set(re.findall(r"\{(\w+)", sentences))
    return {name: _SAMPLES.get(name, f"值 value of {name}: 'x', \"y\", %s {{}}") for name in names}


def received(error: errors.GuotuError) -> errors.GuotuError:
    code, message, trailing = status_of(error)
    return error_from(code, message, trailing, "10.0.0.1:7000")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.reason)
def test_every_class_crosses_with_its_facts(kind: type[errors.GuotuError]) -> None:
    sent = kind(**facts_of(kind))
    got = received(sent)
    assert type(got) is kind
    assert got.facts == sent.facts
    assert {name: type(value) for name, value in got.facts.items()} == {
        name: type(value) for name, value in sent.facts.items()
    }
    assert got.message == sent.message
    assert "?" not in sent.message


def test_the_map_of_codes_is_total() -> None:
    assert {grpc_code(kind) for kind in CLASSES} <= set(grpc.StatusCode)
    assert grpc.StatusCode.OK not in GRPC_CODES.values()
    for kind in CLASSES:
        code, message, _ = status_of(kind(**facts_of(kind)))
        assert code is grpc_code(kind)
        assert message
    for kind in GRPC_CODES:
        assert kind in CLASSES


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.InvalidFilter, grpc.StatusCode.INVALID_ARGUMENT),
        (errors.TooLarge, grpc.StatusCode.INVALID_ARGUMENT),
        (errors.UnknownVersion, grpc.StatusCode.NOT_FOUND),
        (errors.PublishConflict, grpc.StatusCode.ABORTED),
        (errors.NodeNotReady, grpc.StatusCode.UNAVAILABLE),
        (errors.IncompleteAnswer, grpc.StatusCode.FAILED_PRECONDITION),
        (errors.NobodyAnswered, grpc.StatusCode.FAILED_PRECONDITION),
        (errors.DeadlineExceeded, grpc.StatusCode.DEADLINE_EXCEEDED),
        (errors.Refused, grpc.StatusCode.PERMISSION_DENIED),
        (errors.CorruptObject, grpc.StatusCode.DATA_LOSS),
        (errors.StoreFailure, grpc.StatusCode.INTERNAL),
    ],
)
def test_codes_are_those_that_clients_act_on(kind: type[errors.GuotuError], code: grpc.StatusCode) -> None:
    assert grpc_code(kind) is code


def test_reasons_are_stable_names_of_one_class_each() -> None:
    reasons = [kind.reason for kind in CLASSES]
    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[A-Z][A-Z_]+", reason) for reason in reasons)
    assert all(errors.error_class(kind.reason) is kind for kind in CLASSES)
    assert errors.error_class("NO_SUCH_REASON") is errors.Internal


def test_a_stranger_reads_details_in_both_languages() -> None:
    error = errors.UnknownField(field="DLBN", collection="dltb", known="DLBM")
    _, message, trailing = status_of(error)
    status = status_pb2.Status.FromString(dict(trailing)["grpc-status-details-bin"])
    info, localized = error_details_pb2.ErrorInfo(), error_details_pb2.LocalizedMessage()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(localized)
    assert (info.reason, info.domain, info.metadata["field"]) == ("UNKNOWN_FIELD", "guotu", "DLBN")
    assert (localized.locale, localized.message) == ("zh-CN", "图层 dltb 没有字段 DLBN。")
    assert status.message == message == "collection dltb has no field 'DLBN'."
    assert status.code == grpc.StatusCode.NOT_FOUND.value[0]


_FACTS = st.dictionaries(
    st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda name: name != "self"),
    st.text(max_size=30).filter(lambda text: text.isprintable())
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False),
    max_size=5,
)


@settings(deadline=None)
@given(_FACTS)
def test_any_facts_cross(facts: dict[str, errors.Fact]) -> None:
    assert received(errors.Internal(**facts)).facts == facts


def test_what_is_no_character_crosses_as_a_mark() -> None:
    """A path of a GBK system, read with surrogates, must not keep its own error from being told."""
    got = received(errors.DirectoryInUse(path=b"/data/\xb9\xfa".decode(errors="surrogateescape")))
    assert type(got) is errors.DirectoryInUse
    assert got.facts["path"] == "/data/??"


def test_long_facts_fit_into_the_metadata_that_clients_take() -> None:
    code, message, trailing = status_of(errors.InvalidFilter(where="图" * 100_000, detail="斑" * 100_000))
    header = len(message.encode()) * 3  # percent-encoded
    details = sum(len(value) * 4 // 3 for _, value in trailing)  # base64
    assert header + details < 64 << 10
    got = error_from(code, message, trailing, "a:1")
    assert type(got) is errors.InvalidFilter
    assert str(got.facts["where"]).startswith("图图图")


# ------------------------------------------------------------------------------------- statuses of other origin


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.DeadlineExceeded),
        (grpc.StatusCode.UNAVAILABLE, errors.NodeUnavailable),
        (grpc.StatusCode.CANCELLED, errors.NodeUnavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.TooLarge),
        (grpc.StatusCode.UNIMPLEMENTED, errors.Internal),
        (grpc.StatusCode.UNKNOWN, errors.Internal),
        (grpc.StatusCode.UNAUTHENTICATED, errors.Internal),
    ],
)
@pytest.mark.parametrize("trailing", [None, (), (("grpc-status-details-bin", b"\xff\xff\xff"),), (("x", "y"),)])
def test_what_no_node_wrote_is_told_with_the_address(
    code: grpc.StatusCode, kind: type[errors.GuotuError], trailing: Trailing | None
) -> None:
    got = error_from(code, "from the network", trailing, "10.0.0.1:7000")
    assert type(got) is kind
    assert "?" not in got.message
    if kind in (errors.DeadlineExceeded, errors.NodeUnavailable):
        assert "10.0.0.1:7000" in got.message


def test_a_deadline_that_no_node_told_of_is_told_with_its_seconds() -> None:
    got = error_from(grpc.StatusCode.DEADLINE_EXCEEDED, "from the network", None, "10.0.0.1:7000", waited_s=1.25)
    assert "(1.25 s)" in got.english


def test_every_code_stands_for_some_error() -> None:
    for code in grpc.StatusCode:
        assert "?" not in error_from(code, "", None, "a:1").message


def crafted(reason: str, domain: str = "guotu", **metadata: str) -> Trailing:
    status, packed = status_pb2.Status(), any_pb2.Any()
    packed.Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata))
    status.details.append(packed)
    return (("grpc-status-details-bin", status.SerializeToString()),)


def test_a_reason_of_a_newer_node_is_told_by_its_message() -> None:
    got = error_from(grpc.StatusCode.ABORTED, "a quota is used up", crafted("QUOTA", quota="5"), "a:1")
    assert type(got) is errors.Internal
    assert "a quota is used up" in got.message


def test_details_of_another_domain_are_not_ours() -> None:
    got = error_from(grpc.StatusCode.UNAVAILABLE, "proxy", crafted("REFUSED", "proxy.example"), "a:1")
    assert type(got) is errors.NodeUnavailable


@pytest.mark.parametrize("numbers", ["", "not json", '["size"]', '["limit"]', "5", '{"size": 1}', "null", "[[1]]"])
def test_broken_details_are_read_as_far_as_they_go(numbers: str) -> None:
    trailing = crafted("TOO_LARGE", what="filter", size="many", limit="12", **{"guotu-numbers": numbers, "self": "x"})
    got = error_from(grpc.StatusCode.INVALID_ARGUMENT, "m", trailing, "a:1")
    assert type(got) is errors.TooLarge
    assert got.facts["size"] == "many"
    assert got.facts["limit"] in ("12", 12)
