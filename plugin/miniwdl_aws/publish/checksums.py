"""SHA-256 as Amazon S3 computes it, of whole objects and of those put in parts.

The checksum of an object put in parts is that of its parts' checksums, followed by their number
(Amazon S3 user guide, "Checking object integrity": composite checksums).
"""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PART_BYTES = 8 * 2**20
"""Larger files are put in parts of this size, or of a larger power of two times it."""

MAX_PARTS = 10_000
"""Parts of an object (Amazon S3 user guide, "Multipart upload limits")."""

_CHUNK = 2**20


class Part(NamedTuple):
    """A part of a file: its number from 1, where it begins, and its size in bytes."""

    number: int
    offset: int
    size: int


def parts(size: int) -> list[Part]:
    """Divide a file into the parts in which it is put; one part means that it is put whole.

    >>> [part.size for part in parts(PART_BYTES + 1)]
    [8388608, 1]
    """
    step = PART_BYTES
    while step * MAX_PARTS < size:
        step *= 2
    offsets = range(0, max(size, 1), step)
    return [
        Part(number, offset, min(step, size - offset))
        for number, offset in enumerate(offsets, start=1)
    ]


def encode(digest: bytes) -> str:
    """Write a digest as S3 does."""
    return base64.b64encode(digest).decode()


def content_checksum(content: bytes) -> str:
    """Give the checksum of an object put whole."""
    return encode(hashlib.sha256(content).digest())


def composite(digests: list[bytes]) -> str:
    """Give the checksum of an object put in parts of these digests."""
    return f"{encode(hashlib.sha256(b''.join(digests)).digest())}-{len(digests)}"


def same(first: str | None, second: str) -> bool:
    """Compare checksums; the number of parts, which some servers leave out, proves nothing more."""
    return first is not None and first.split("-", 1)[0] == second.split("-", 1)[0]


def file_checksum(path: Path, size: int) -> str:
    """Give the checksum that a file of this size has once it is put."""
    divided = parts(size)
    digests = [_digest(path, part) for part in divided]
    return encode(digests[0]) if len(divided) == 1 else composite(digests)


def _digest(path: Path, part: Part) -> bytes:
    digest = hashlib.sha256()
    for chunk in _chunks(path, part):
        digest.update(chunk)
    return digest.digest()


def _chunks(path: Path, part: Part) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(part.offset)
        left = part.size
        while left and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
