"""Errors to gRPC status and back: a total map, with google.rpc details that carry reason and facts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import cast

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from guotu.model import errors

DOMAIN = "guotu"
_DETAILS_KEY = "grpc-status-details-bin"
_MAX_DETAIL = 2048
_NUMBERS = "guotu-numbers"

GRPC_CODES: dict[type[errors.GuotuError], grpc.StatusCode] = {
    errors.GuotuError: grpc.StatusCode.UNKNOWN,
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.TooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Conflict: grpc.StatusCode.ABORTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Incomplete: grpc.StatusCode.FAILED_PRECONDITION,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Refused: grpc.StatusCode.PERMISSION_DENIED,
    errors.Internal: grpc.StatusCode.INTERNAL,
    errors.CorruptObject: grpc.StatusCode.DATA_LOSS,
}
"""A class not named here has the code of its nearest ancestor."""


def grpc_code(error: type[errors.GuotuError]) -> grpc.StatusCode:
    """Return the gRPC code of an error class."""
    return next(GRPC_CODES[base] for base in error.__mro__ if base in GRPC_CODES)


def status_of(error: errors.GuotuError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Return (code, message, trailing metadata) for `context.abort`."""
    code = grpc_code(type(error))
    status = status_pb2.Status(code=code.value[0], message=_sendable(error.english))
    numbers = [name for name, value in error.facts.items() if not isinstance(value, str)]
    metadata = {name: _sendable(str(value)) for name, value in error.facts.items()}
    metadata[_NUMBERS] = json.dumps(numbers)
    _attach(status, error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata))
    _attach(status, error_details_pb2.LocalizedMessage(locale="zh-CN", message=_sendable(error.chinese)))
    if isinstance(error, errors.Overloaded):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(error.retry_s * 1000))
        _attach(status, retry)
    return code, status.message, ((_DETAILS_KEY, status.SerializeToString()),)


def _sendable(text: str) -> str:
    """Return a text that fits into a status; a path, say, may hold what is no character."""
    return text[:_MAX_DETAIL].encode(errors="replace").decode()


def _attach(status: status_pb2.Status, detail: Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def error_from(
    code: grpc.StatusCode,
    message: str,
    trailing: Iterable[tuple[str, str | bytes]] | None,
    address: str,
    waited_s: float | None = None,
) -> errors.GuotuError:
    """Return the error that a failed call stands for.

    Args:
        code: status code of the call.
        message: its message.
        trailing: its trailing metadata.
        address: where the call went, for errors that no node wrote (no connection, deadline, message size).
        waited_s: seconds that the call took, if they are known.
    """
    info = _error_info(trailing or ())
    if info is not None:
        known = errors.error_class(info.reason)
        return known(**_facts(info)) if known.reason == info.reason else errors.Internal(detail=message or info.reason)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(node=address, seconds="-" if waited_s is None else round(waited_s, 3))
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return errors.TooLarge(what="message", size=message, limit="-")
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return errors.NodeUnavailable(address=address, detail=message or code.name)
    return errors.Internal(detail=f"{code.name}: {message}")


def error_of_call(failure: grpc.RpcError, address: str, waited_s: float | None = None) -> errors.GuotuError:
    """Return the error that a failed call (blocking or asyncio) stands for; see `error_from`."""
    trailing = cast("Iterable[tuple[str, str | bytes]]", failure.trailing_metadata() or ())
    return error_from(failure.code(), failure.details() or "", trailing, address, waited_s)


def _error_info(trailing: Iterable[tuple[str, str | bytes]]) -> error_details_pb2.ErrorInfo | None:
    for key, value in trailing:
        if key != _DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            details = status_pb2.Status.FromString(value).details
            infos = [_unpacked(detail) for detail in details if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
        except DecodeError:
            return None
        return next((info for info in infos if info.domain == DOMAIN), None)
    return None


def _unpacked(detail: any_pb2.Any) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    detail.Unpack(info)
    return info


def _facts(info: error_details_pb2.ErrorInfo) -> dict[str, errors.Fact]:
    """Return the facts; a number that cannot be read as one, from a peer of another kind, stays a text."""
    texts = {name: text for name, text in info.metadata.items() if name != "self"}
    numbers = texts.pop(_NUMBERS, "[]")
    facts: dict[str, errors.Fact] = dict(texts)
    with suppress(ValueError, TypeError, RecursionError):
        for name in set(json.loads(numbers)) & texts.keys():
            facts[name] = _number(texts[name])
    return facts


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
