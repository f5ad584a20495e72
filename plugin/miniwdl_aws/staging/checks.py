"""Whether a file has the content that S3 tells of."""

import base64
import hashlib
import os
import re
import sys
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


def of_whole(content: S3Object, answer: Mapping[str, Any]) -> Mapping[str, str]:
    """Give what is known of an object's content and can be computed.

    Args:
        content: the object.
        answer: what GetObject answered for it.

    Returns:
        Checksums by the names of algorithms; the ETag too where it is an MD5.
    """
    known = dict(content.checksums)
    if _is_plain(answer) and _MD5.fullmatch(content.etag):
        known["MD5"] = _base64(content.etag)
    return _computable(known)


def of_parts(content: S3Object, answer: Mapping[str, Any]) -> Mapping[str, str]:
    """Give what is known of the checksums of an object's parts, one after another.

    Args:
        content: the object.
        answer: what GetObject answered for it.

    Returns:
        Checksums by the names of algorithms; the ETag too where it is an MD5 of MD5s.
    """
    known = dict(content.composites)
    begin, _, _ = content.etag.partition("-")
    if content.part_count and _is_plain(answer) and _MD5.fullmatch(begin):
        known["MD5"] = _base64(begin)
    return _computable(known)


def _is_plain(answer: Mapping[str, Any]) -> bool:
    """Whether the ETag is made of MD5s.

    It is unless the object is encrypted by a key of KMS or of a customer (Amazon S3 API reference,
    "Object", "ETag").
    """
    customer = answer.get("SSECustomerAlgorithm")
    return answer.get("ServerSideEncryption", "AES256") == "AES256" and not customer


def _base64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()


def _computable(known: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in known.items() if name in _ALGORITHMS}


def mismatch(file: BinaryIO, expected: Mapping[str, str], part_bytes: int = 0) -> str:
    """Compare a file with the strongest checksum that is expected.

    Args:
        file: the file, at its beginning.
        expected: what `of_whole` or `of_parts` gave.
        part_bytes: how large the parts are of which `of_parts` speaks; 0 for the whole.

    Returns:
        What is different, as a clause; empty if nothing is, or nothing is known.
    """
    for name, make in _ALGORITHMS.items():
        if name in expected:
            digest = _digest_of_parts(file, make, part_bytes) if part_bytes else _digest(file, make)
            found = base64.b64encode(digest).decode()
            return "" if found == expected[name] else f"{name} {found} instead of {expected[name]}"
    return ""


def _digest(file: BinaryIO, make: Callable[[], _Hash], limit: int = sys.maxsize) -> bytes:
    """Give the digest of a file from where it stands, of so many bytes of it at the most."""
    computed = make()
    while limit and (chunk := file.read(min(_CHUNK, limit))):
        computed.update(chunk)
        limit -= len(chunk)
    return computed.digest()


def _digest_of_parts(file: BinaryIO, make: Callable[[], _Hash], part_bytes: int) -> bytes:
    computed, size = make(), os.fstat(file.fileno()).st_size
    for _ in range(0, size, part_bytes):
        computed.update(_digest(file, make, part_bytes))
    return computed.digest()
