"""What can go wrong at an S3 store: which faults pass, and what an operator is told, without secrets.

Texts of the libraries are not passed on: they may contain signed addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3 import BaseHTTPResponse
from urllib3 import exceptions as http

_PASSING = frozenset({0, 408, 409, 425, 429, 500, 502, 503, 504})
_BAD_GATEWAY = 502
_CODES = {
    "AccessDenied": "无此权限 access denied",
    "InvalidAccessKeyId": "access_key 无效 the access key is not known",
    "SignatureDoesNotMatch": "secret_key 不符 the secret key does not fit",
    "RequestTimeTooSkewed": "本机时钟偏差过大 this machine's clock is off",
    "NoSuchBucket": "没有此存储桶 there is no such bucket",
    "BadDigest": "数据在途中改变 bytes changed on their way",
}
# Those that are kinds of another come before it.
_TRANSPORT: tuple[tuple[type[Exception], str], ...] = (
    (http.SSLError, "TLS 校验失败 TLS failed"),
    (http.NameResolutionError, "主机名无法解析 the host has no address"),
    (http.NewConnectionError, "无法连接 cannot be reached"),
    (http.ConnectTimeoutError, "连接超时 connecting timed out"),
    (http.TimeoutError, "应答超时 no answer in time"),
    (http.HTTPError, "连接中断 the connection broke"),
)


class Rejected(Exception):
    """The server's answer to a request of ours was an error."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault, understood."""

    status: int
    """HTTP status; 0 if no answer came."""
    code: str
    """Code of S3, such as NoSuchKey; may be empty."""
    text: str
    """In both languages, without secrets."""

    @property
    def passing(self) -> bool:
        """Tell whether trying again may help."""
        return self.status in _PASSING

    @property
    def unknown_outcome(self) -> bool:
        """Tell whether the server may have done what it was asked."""
        return self.status == 0 or self.status >= 500

    @property
    def refused(self) -> bool:
        """Tell whether the condition of a conditional write did not hold."""
        return self.status == 412 or self.absent

    @property
    def absent(self) -> bool:
        """Tell whether there is no such key."""
        return self.code == "NoSuchKey"


def trouble_of(error: Exception) -> Trouble | None:
    """Return what a fault means; None if it is not one of the S3 store."""
    if isinstance(error, Rejected):
        return _answered(error.status, error.code)
    if isinstance(error, S3Error):
        return _answered(error.response.status, error.code or "")
    if isinstance(error, ServerError):
        return _answered(error.status_code, "")
    if isinstance(error, InvalidResponseError | ElementTree.ParseError):
        # Not the store's own answer: a proxy's page, as a rule because the store is away.
        return _answered(_BAD_GATEWAY, "")
    text = next((text for kind, text in _TRANSPORT if isinstance(error, kind)), None)
    return None if text is None else Trouble(0, "", text)


def check_answer(response: BaseHTTPResponse) -> BaseHTTPResponse:
    """Return an answer that is none of an error; a multipart upload may fail with status 200.

    Raises:
        Rejected: it is an error.
    """
    code = _error_code(response.data) if response.data else ""
    if not 200 <= response.status < 300:
        raise Rejected(response.status, code)
    if code:
        raise Rejected(412 if code == "PreconditionFailed" else 500, code)
    return response


def _answered(status: int, code: str) -> Trouble:
    shown = " ".join(filter(None, (str(status), code)))
    return Trouble(status, code, f"{_CODES.get(code, '请求被拒 the request was refused')} ({shown})")


def _error_code(document: bytes) -> str:
    """Return the code of an <Error> document; empty if it is another document or none."""
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError:
        return ""
    if root.tag.rpartition("}")[2] != "Error":
        return ""
    return root.findtext("{*}Code") or root.findtext("Code") or "unknown"
