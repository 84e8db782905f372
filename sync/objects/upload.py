"""Writing an object to S3 under a condition: in one request, or in parts that become the object all at once."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from functools import partial
from xml.etree import ElementTree

from urllib3 import BaseHTTPResponse

from guotu.model.errors import StoreFailure
from sync.objects.content import Bytes, Content, FilePart, parts_of
from sync.objects.s3_requests import S3Requests
from sync.objects.s3_trouble import trouble_of

Condition = Mapping[str, str]
"""Headers of a conditional write (RFC 9110, section 13.1)."""
UNLESS_THERE: Condition = {"If-None-Match": "*"}
_NOTHING = Bytes(b"")


def if_still(etag: str) -> Condition:
    """Return the condition that the value is the one with this etag."""
    return {"If-Match": f'"{etag}"'}


class Upload:
    """One object being written; a mark kept with it tells it from another's, even of the same bytes."""

    def __init__(self, requests: S3Requests, name: str) -> None:
        self._requests = requests
        self._name = name
        # A parameter of the media type is kept and given back by every S3 store, and needs no signature.
        self._type = f"application/octet-stream; write={secrets.token_hex(16)}"
        self._in_doubt = False

    def put(self, content: Content, condition: Condition) -> bool:
        """Write under a condition; tells whether this write, and no other, made the object.

        Raises:
            StoreFailure: the store failed; where it gave no answer, the object may have been written all the same.
            OSError: a file cannot be read.
        """
        stored = self._requests.again(lambda: self._once(content, condition))
        return stored or (self._in_doubt and self._is_mine())

    def _once(self, content: Content, condition: Condition) -> bool:
        try:
            self._write(content, condition)
            return True
        except Exception as error:
            trouble = trouble_of(error)
            if trouble is not None and trouble.refused:
                return False
            self._in_doubt |= trouble is not None and trouble.unknown_outcome
            raise

    def _write(self, content: Content, condition: Condition) -> None:
        if isinstance(content, FilePart) and content.length > self._requests.options.single_put_bytes:
            self._write_parts(content, condition)
        else:
            self._requests.send("PUT", self._name, content, {"Content-Type": self._type, **condition})

    def _write_parts(self, file: FilePart, condition: Condition) -> None:
        begun = self._requests.send("POST", self._name, _NOTHING, {"Content-Type": self._type}, {"uploads": ""})
        upload = {"uploadId": _upload_id(begun)}
        try:
            etags = [
                self._requests.again(partial(self._send_part, upload, number, part))
                for number, part in enumerate(parts_of(file, self._requests.options.part_bytes), 1)
            ]
            self._requests.send(
                "POST", self._name, _completion(etags), {"Content-Type": "application/xml", **condition}, upload
            )
        except Exception:
            # The parts that were sent take up room; where this fails too, the bucket's lifecycle rule removes them.
            with contextlib.suppress(StoreFailure):
                self._requests.again(lambda: self._abort(upload))
            raise

    def _send_part(self, upload: Mapping[str, str], number: int, part: FilePart) -> str:
        answer = self._requests.send("PUT", self._name, part, None, {"partNumber": str(number), **upload})
        return answer.headers["ETag"]

    def _abort(self, upload: Mapping[str, str]) -> None:
        self._requests.send("DELETE", self._name, _NOTHING, None, upload)

    def _is_mine(self) -> bool:
        """Tell whether what is there now carries the mark of this write, whose answer was lost."""
        found = self._requests.again(lambda: self._requests.stat(self._name))
        return found is not None and found.content_type == self._type


def _upload_id(answer: BaseHTTPResponse) -> str:
    """Return the id that the answer to CreateMultipartUpload gives."""
    root = ElementTree.fromstring(answer.data)
    found = root.findtext("{*}UploadId")
    if not found:
        raise StoreFailure(detail="对象存储应答有误 object store S3: no UploadId in its answer")
    return found


def _completion(etags: list[str]) -> Bytes:
    """Return the body of CompleteMultipartUpload."""
    root = ElementTree.Element("CompleteMultipartUpload", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    for number, etag in enumerate(etags, 1):
        part = ElementTree.SubElement(root, "Part")
        ElementTree.SubElement(part, "PartNumber").text = str(number)
        ElementTree.SubElement(part, "ETag").text = etag
    return Bytes(ElementTree.tostring(root))
