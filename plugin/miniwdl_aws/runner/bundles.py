"""Bringing the WDL source and inputs to where miniwdl can read them."""

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from miniwdl_aws.bundle import (
    BUNDLE_VARIABLE,
    INLINE_PREFIX,
    SCHEME,
    Bundle,
    decode_inline,
    decode_object,
    resolve_references,
    unpack,
)
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import AwsError, InvalidInputError
from miniwdl_aws.runner.rundir import target_name
from miniwdl_aws.s3 import parse_uri, read_object

FOLDER = "bundle"
"""In the run directory: what travelled with the submission. Task jobs see it there too, as files
named relative to a WDL 1.2 source require."""

S3 = "s3://"

_IMPORT = re.compile(r"""^\s*import\s+["']([^"']+)["']""", re.MULTILINE)


def fetch(text: str, arguments: Sequence[str], clients: AwsClients) -> tuple[Bundle, list[str]]:
    """Fetch the files of a run.

    They are those of its bundle, and WDL sources (with their imports) and inputs files that its
    arguments name by S3 URIs.

    Args:
        text: the value of `BUNDLE_VARIABLE`; empty for none.
        arguments: those of ``miniwdl run``.
        clients: where S3 is.

    Returns:
        The files, and the arguments with ``bundle://`` references to them.

    Raises:
        InvalidInputError: a file is not there, or not what it should be.
        AwsError: S3 could not be asked.
    """
    files = dict(_bundle(text, clients).files) if text else {}
    replaced = list(arguments)
    for index, argument in enumerate(arguments):
        if argument.startswith(S3) and _is_source(arguments, index):
            name, fetched = _fetch_source(argument, clients)
            files.update(fetched)
            replaced[index] = SCHEME + name
    return Bundle(files), replaced


def lay_out(bundle: Bundle, arguments: Sequence[str], run_dir: Path) -> list[str]:
    """Write the files of a run into its directory, and let the arguments name them there."""
    if not bundle.files:
        return list(arguments)
    folder = run_dir / FOLDER
    folder.mkdir(exist_ok=True)
    unpack(bundle, folder)
    return resolve_references(arguments, folder)


def workflow_name(bundle: Bundle, uri: str, task: str | None) -> str:
    """Find the name of the workflow that a run's WDL source holds."""
    fallback = PurePosixPath(uri.split("?", 1)[0]).name.split(".", 1)[0]
    return target_name(_main_source(bundle, uri), task, fallback)


def _bundle(text: str, clients: AwsClients) -> Bundle:
    if text.startswith(INLINE_PREFIX):
        return decode_inline(text)
    if not text.startswith(S3):
        raise InvalidInputError(
            f"{BUNDLE_VARIABLE} must begin with {INLINE_PREFIX} or {S3}, not {text[:20]!r}"
        )
    bucket, key = parse_uri(text)
    return decode_object(PurePosixPath(key).name, read_object(clients, bucket, key))


def _is_source(arguments: Sequence[str], index: int) -> bool:
    """Tell whether an argument names a WDL source or an inputs file, and is no input's value."""
    before = arguments[index - 1] if index else ""
    return before in ("-i", "--input") or arguments[index].endswith((".wdl", ".zip"))


def _fetch_source(uri: str, clients: AwsClients) -> tuple[str, Mapping[str, bytes]]:
    """Fetch an object and, of a WDL source, what it imports by relative paths."""
    bucket, key = parse_uri(uri)
    files: dict[str, bytes] = {}
    waiting = [key]
    while waiting:
        wanted = waiting.pop()
        if _local(bucket, wanted) in files:
            continue
        content = _read(clients, bucket, wanted, uri)
        files[_local(bucket, wanted)] = content
        if wanted.endswith(".wdl"):
            imports = _IMPORT.findall(content.decode(errors="replace"))
            waiting.extend(_resolve(wanted, path) for path in imports if "://" not in path)
    return _local(bucket, key), files


def _read(clients: AwsClients, bucket: str, key: str, uri: str) -> bytes:
    try:
        return read_object(clients, bucket, key)
    except AwsError as exc:
        needed = "" if uri == f"{S3}{bucket}/{key}" else f", which {uri} imports,"
        raise InvalidInputError(f"{S3}{bucket}/{key}{needed} cannot be read: {exc}") from exc


def _local(bucket: str, key: str) -> str:
    return f"{bucket}/{key}"


def _resolve(importer: str, path: str) -> str:
    parts: list[str] = []
    for part in (*PurePosixPath(importer).parent.parts, *PurePosixPath(path).parts):
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _main_source(bundle: Bundle, uri: str) -> str:
    content = _content(bundle, uri)
    if uri.endswith(".zip"):
        return _main_of_zip(content)
    return content.decode(errors="replace")


def _content(bundle: Bundle, uri: str) -> bytes:
    if uri.startswith(SCHEME):
        return bundle.files.get(uri.removeprefix(SCHEME), b"")
    path = Path(uri)
    return path.read_bytes() if "://" not in uri and path.is_file() else b""


def _main_of_zip(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            manifest = json.loads(archive.read("MANIFEST.json"))
            return archive.read(manifest["mainWorkflowURL"]).decode(errors="replace")
    except (zipfile.BadZipFile, KeyError, ValueError):
        return ""
