"""The files that travel with a submission: the WDL source with its imports, and the inputs.

A small bundle travels inline, in one variable of the workflow job; a larger one is an object on
S3 named by the SHA-256 of its content, which the job verifies. Either way the job unpacks it and
replaces every argument ``bundle://PATH`` by the path of that file.
"""

import base64
import binascii
import hashlib
import io
import lzma
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from miniwdl_aws.errors import InvalidInputError

BUNDLE_VARIABLE = "MINIWDL_AWS_BUNDLE"
"""In the workflow job: ``inline:DATA`` or ``s3://BUCKET/PREFIX/SHA256.zip``."""

ENVIRONMENT_FILE = "environment.json"
"""In a bundle: variables of the workflow job that did not fit into the request."""

SCHEME = "bundle://"

INLINE_PREFIX = "inline:"

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip entry can bear; the same content gives the same bytes."""


@dataclass(frozen=True)
class Bundle:
    """Files by their relative POSIX path."""

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        for name in self.files:
            _refuse_outside(name)


def reference(path: str) -> str:
    """Give the argument by which a job's command names a file of its bundle."""
    return SCHEME + path


def encode_inline(bundle: Bundle) -> str:
    """Write a bundle as text for one environment variable."""
    packed = lzma.compress(_zip(bundle, zipfile.ZIP_STORED), format=lzma.FORMAT_ALONE, preset=9)
    return INLINE_PREFIX + base64.urlsafe_b64encode(packed).decode()


def decode_inline(text: str) -> Bundle:
    """Read what `encode_inline` wrote.

    Raises:
        InvalidInputError: the text is no inline bundle.
    """
    try:
        packed = base64.urlsafe_b64decode(text.removeprefix(INLINE_PREFIX))
        return _unzip(lzma.decompress(packed, format=lzma.FORMAT_ALONE))
    except (binascii.Error, lzma.LZMAError, zipfile.BadZipFile) as exc:
        raise InvalidInputError(f"{BUNDLE_VARIABLE} does not hold a bundle: {exc}") from exc


def encode_object(bundle: Bundle) -> tuple[str, bytes]:
    """Write a bundle as an object for S3.

    Returns:
        The object's name, ``SHA256.zip``, and its content.
    """
    content = _zip(bundle, zipfile.ZIP_DEFLATED)
    return f"{hashlib.sha256(content).hexdigest()}.zip", content


def decode_object(name: str, content: bytes) -> Bundle:
    """Read what `encode_object` wrote, and check that it is what its name says.

    Raises:
        InvalidInputError: the content does not have the hash in its name, or is no bundle.
    """
    expected = PurePosixPath(name).stem
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise InvalidInputError(
            f"the bundle {name} has the SHA-256 {actual}: it was changed or cut short after the "
            "submission. Submit the run again."
        )
    try:
        return _unzip(content)
    except zipfile.BadZipFile as exc:
        raise InvalidInputError(f"the bundle {name} is no zip archive: {exc}") from exc


def unpack(bundle: Bundle, folder: Path) -> None:
    """Write the files of a bundle below an existing folder."""
    for name, content in bundle.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def resolve_references(arguments: Iterable[str], folder: Path) -> list[str]:
    """Replace each ``bundle://PATH`` among arguments by the path of the unpacked file."""
    return [
        str(folder / argument.removeprefix(SCHEME)) if argument.startswith(SCHEME) else argument
        for argument in arguments
    ]


def _zip(bundle: Bundle, compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name in sorted(bundle.files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = compression
            archive.writestr(entry, bundle.files[name])
    return buffer.getvalue()


def _unzip(content: bytes) -> Bundle:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return Bundle({name: archive.read(name) for name in archive.namelist()})


def _refuse_outside(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise InvalidInputError(f"a bundle cannot hold the path {name!r}: it leaves its folder")
