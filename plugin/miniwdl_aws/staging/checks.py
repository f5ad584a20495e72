"""Whether a file has the content that S3 tells of."""

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Protocol

from miniwdl_aws.staging.objects import S3Object

_CHUNK = 2**20
_MD5 = re.compile(r"[0-9a-f]{32}")


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    """CRC-32 with the interface of hashlib."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


_ALGORITHMS: Mapping[str, Callable[[], _Hash]] = {
    "SHA256": hashlib.sha256,
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "CRC32": _Crc32,
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
}
"""What Python can compute, the strongest first; CRC-32C and CRC-64/NVME it cannot."""


def with_md5(content: S3Object, answer: Mapping[str, Any]) -> Mapping[str, str]:
    """Give what is known of an object's content, the ETag too where it is an MD5.

    It is one unless the object was put in parts or is encrypted by a key of KMS or of a customer
    (Amazon S3 API reference, "Object", "ETag").

    Args:
        content: the object.
        answer: what GetObject answered for it.
    """
    customer = answer.get("SSECustomerAlgorithm")
    plain = answer.get("ServerSideEncryption", "AES256") == "AES256" and not customer
    if not plain or not _MD5.fullmatch(content.etag):
        return content.checksums
    return {**content.checksums, "MD5": base64.b64encode(bytes.fromhex(content.etag)).decode()}


def mismatch(file: BinaryIO, expected: Mapping[str, str]) -> str:
    """Compare a file with the first checksum that can be computed.

    Args:
        file: the file, at its beginning.
        expected: checksums by the names of algorithms.

    Returns:
        What is different, as a clause; empty if nothing is, or nothing is known.
    """
    for name, make in _ALGORITHMS.items():
        if name in expected:
            found = base64.b64encode(_digest(file, make())).decode()
            return "" if found == expected[name] else f"{name} {found} instead of {expected[name]}"
    return ""


def _digest(file: BinaryIO, computed: _Hash) -> bytes:
    while chunk := file.read(_CHUNK):
        computed.update(chunk)
    return computed.digest()
