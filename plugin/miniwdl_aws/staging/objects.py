"""What lies on S3: objects, and what stands for the content of one or of a folder."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from miniwdl_aws.errors import StagingError

_URI = re.compile(r"s3://([^/]+)(?:/(.*))?", re.DOTALL)
_OF_PARTS = re.compile(r".*-([1-9]\d*)")
_CHECKSUM = "Checksum"


@dataclass(frozen=True, kw_only=True)
class S3Object:
    """One version of an object.

    Attributes:
        bucket: its bucket.
        key: its key.
        etag: its ETag, without quotes.
        size: in bytes.
        modified: when it was put, in seconds since 1970.
        version: its version's id; empty in a bucket without versions.
        checksums: values by the names of algorithms, as far as S3 tells them.
        composites: the same of objects that were put in parts: of the parts' checksums.
    """

    bucket: str
    key: str
    etag: str
    size: int
    modified: float
    version: str = ""
    checksums: Mapping[str, str] = field(default_factory=dict)
    composites: Mapping[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """Its URI."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def part_count(self) -> int:
        """In how many parts it was put; 0 if it was put whole."""
        return _parts_of(self.etag)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """All objects below a prefix.

    Attributes:
        bucket: the bucket.
        prefix: what all keys begin with; ends in "/" unless it is empty.
        objects: the objects, by their paths below the prefix.
        folders: paths of folders that have an object of their own, as consoles make them.
    """

    bucket: str
    prefix: str
    objects: Mapping[str, S3Object]
    folders: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """Its URI."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(each.size for each in self.objects.values())


def split(uri: str) -> tuple[str, str]:
    """Split a URI into bucket and key; nothing in a key is special.

    Raises:
        StagingError: it names no bucket.

    >>> split("s3://bucket/a b/c?d#e")
    ('bucket', 'a b/c?d#e')
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise StagingError(uri, "is no S3 URI", remedy="Give s3://BUCKET/KEY.", category="missing")
    return match[1], match[2] or ""


def object_of(bucket: str, key: str, answer: Mapping[str, Any]) -> S3Object:
    """Read what HeadObject, or an entry of ListObjectsV2, says of an object."""
    return S3Object(
        bucket=bucket,
        key=key,
        etag=answer["ETag"].strip('"'),
        size=answer.get("ContentLength", answer.get("Size", 0)),
        modified=answer["LastModified"].timestamp(),
        version=answer.get("VersionId") or "",
        checksums=_checksums(answer, composite=False),
        composites=_checksums(answer, composite=True),
    )


def _checksums(answer: Mapping[str, Any], *, composite: bool) -> dict[str, str]:
    """Take the checksums of the whole content, or those of its parts' checksums.

    Those of an object that was put in parts are the latter unless said to be of the whole; S3
    has them end in the number of parts.
    """
    kind = answer.get("ChecksumType") or ("COMPOSITE" if _parts_of(answer["ETag"]) else "")
    found = {
        name.removeprefix(_CHECKSUM): str(value)
        for name, value in answer.items()
        if name.startswith(_CHECKSUM) and name not in ("ChecksumType", "ChecksumAlgorithm")
    }
    return {
        name: value.partition("-")[0]
        for name, value in found.items()
        if (kind == "COMPOSITE" or "-" in value) == composite
    }


def _parts_of(etag: str) -> int:
    match = _OF_PARTS.fullmatch(etag.strip('"'))
    return int(match[1]) if match else 0


def folder_of(bucket: str, prefix: str, entries: Iterable[Mapping[str, Any]]) -> Folder:
    """Read all entries of ListObjectsV2 below a prefix.

    Raises:
        StagingError: there are none, or they are no tree of files.
    """
    found = {each["Key"].removeprefix(prefix): each for each in entries}
    uri = f"s3://{bucket}/{prefix}"
    objects = {
        path: object_of(bucket, entry["Key"], entry)
        for path, entry in found.items()
        if path and not path.endswith("/")
    }
    folders = tuple(sorted(path[:-1] for path in found if path.endswith("/")))
    if not found:
        raise StagingError(
            uri,
            "is empty: no object's key begins with it",
            remedy="Check bucket and prefix.",
            category="missing",
        )
    _refuse_other_than_a_tree(uri, [path for path in found if path], objects.keys())
    return Folder(bucket=bucket, prefix=prefix, objects=objects, folders=folders)


def _refuse_other_than_a_tree(uri: str, paths: Iterable[str], files: Collection[str]) -> None:
    """A path has no empty or relative names, and no file above it; a folder's ends in "/"."""
    for path in paths:
        names = path.removesuffix("/").split("/")
        above = {"/".join(names[:count]) for count in range(1, len(names) + path.endswith("/"))}
        if {"", ".", ".."} & set(names) or "\0" in path or any(each in files for each in above):
            raise StagingError(
                uri,
                f"cannot be a directory: the key {path!r} below it can be no file's path beside "
                "the others",
                remedy="Give the objects keys that are paths of files, or name them one by one.",
                category="missing",
            )


def digest(content: S3Object | Folder) -> str:
    """Give what stands for the content: it changes when the content does.

    An object's ETag changes with its content (Amazon S3 user guide, "Common response headers").

    Args:
        content: an object or a folder.
    """
    parts = [content.bucket]
    if isinstance(content, S3Object):
        parts += [content.key, content.etag, content.version]
    else:
        parts += [content.prefix, *content.folders]
        parts += [part for path in sorted(content.objects) for part in _entry(content, path)]
    text = "\0".join(parts)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _entry(folder: Folder, path: str) -> tuple[str, str]:
    return path, folder.objects[path].etag
