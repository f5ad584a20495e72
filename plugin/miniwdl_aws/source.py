"""The WDL source of a run: found, type-checked as `miniwdl check` does, and packed to travel."""

import argparse
import contextlib
import logging
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from miniwdl_aws.arguments import miniwdl
from miniwdl_aws.bundle import reference
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.inputs import WEB, ReadObject, nearest_file, read_inputs, read_web
from miniwdl_aws.shared import SharedFileSystem

_log = logging.getLogger(__name__)

FOLDER = "source"

ARCHIVE = f"{FOLDER}.zip"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A WDL source.

    Attributes:
        uri: what the job calls it.
        files: what travels, by path in the bundle; empty if the job opens it itself.
        document: miniwdl's document; None if only the job can read it.
        inputs: the inputs that an archive brings along, if any.
    """

    uri: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    document: Any = None
    inputs: Mapping[str, Any] | None = None


def read_source(
    parsed: argparse.Namespace, shared: SharedFileSystem, read_object: ReadObject
) -> Source:
    """Read and check the WDL source that arguments name.

    A file of this machine or on S3 travels with all that it imports, from wherever. A web address
    and a path on the shared file system are checked if they can be read from here, and opened by
    the job.

    Raises:
        InvalidInputError: it does not exist, or does not pass the check; with file and line.
    """
    uri = parsed.uri
    if uri.startswith(WEB):
        return Source(uri=uri, document=_remote(parsed))
    in_job = None if _is_s3(uri) else SharedFileSystem(shared.mount).in_job(uri)
    if in_job is not None:
        return _on_shared(in_job, parsed, read_object)
    if not _is_s3(uri):
        _refuse_missing(uri)
    if uri.endswith(".zip") or Path(uri).is_dir():
        return _archive(parsed, read_object)
    document = load(uri, parsed, read_object)
    name = PurePosixPath(uri).name
    return Source(
        uri=reference(f"{FOLDER}/{name}"), files=dict(_packed(document)), document=document
    )


def load(uri: str, parsed: argparse.Namespace, read_object: ReadObject) -> Any:
    """Load a document with its imports and type-check it.

    Raises:
        InvalidInputError: it does not pass the check; the message has file, line and column.
    """
    wdl = miniwdl("WDL")
    failures = (
        wdl.Error.SyntaxError,
        wdl.Error.ImportError,
        wdl.Error.ValidationError,
        wdl.Error.MultipleValidationErrors,
        OSError,
        UnicodeDecodeError,
    )
    try:
        return wdl.load(
            uri,
            parsed.path or [],
            check_quant=parsed.check_quant,
            read_source=_source_reader(read_object, parsed),
        )
    except failures as exc:
        raise InvalidInputError(_load_message(exc)) from exc


def _on_shared(path: str, parsed: argparse.Namespace, read_object: ReadObject) -> Source:
    if not Path(path).is_file() or path.endswith(".zip"):
        return Source(uri=path)
    return Source(uri=path, document=load(path, parsed, read_object))


def _remote(parsed: argparse.Namespace) -> Any:
    """Check a source on the web, if this machine can read it; else the job may be able to."""
    if parsed.uri.split("?", 1)[0].endswith(".zip"):
        return None
    try:
        read_web(parsed.uri)
    except OSError as exc:
        _log.warning("%s cannot be checked from here (%s); the job will open it", parsed.uri, exc)
        return None
    return load(parsed.uri, parsed, _no_objects)


def _refuse_missing(uri: str) -> None:
    path = Path(uri)
    if not path.exists():
        raise InvalidInputError(
            f"the WDL source {uri!r} is not on this machine, and is neither a URL nor a path on "
            f"the shared file system.{nearest_file(uri)}"
        )
    if path.is_dir() and not (path / "MANIFEST.json").is_file():
        raise InvalidInputError(
            f"the WDL source {uri!r} is a directory, and not one that `miniwdl zip` has packed: "
            "name the .wdl file in it."
        )


def _archive(parsed: argparse.Namespace, read_object: ReadObject) -> Source:
    """Check an archive that `miniwdl zip` made, or its unpacked directory; all of it travels."""
    uri = parsed.uri
    zip_module, wdl_error = miniwdl("WDL.Zip"), miniwdl("WDL.Error")
    with contextlib.ExitStack() as cleanup:
        if Path(uri).is_dir():
            path, files, name = uri, dict(_files(Path(uri), FOLDER)), FOLDER
        else:
            content = read_object(uri) if _is_s3(uri) else Path(uri).read_bytes()
            path = f"{cleanup.enter_context(tempfile.TemporaryDirectory())}/{ARCHIVE}"
            Path(path).write_bytes(content)
            files, name = {ARCHIVE: content}, ARCHIVE
        try:
            unpacked = cleanup.enter_context(zip_module.unpack(path))
        except (wdl_error.InputError, OSError) as exc:
            raise InvalidInputError(
                f"the WDL source is no archive made by `miniwdl zip`: {exc}"
            ) from exc
        inputs = unpacked.input_file
        return Source(
            uri=reference(name),
            files=files,
            document=load(unpacked.main_wdl, parsed, _no_objects),
            inputs=read_inputs(inputs, _no_objects) if inputs else None,
        )


def _packed(document: Any) -> Iterator[tuple[str, bytes]]:
    with contextlib.ExitStack() as cleanup:
        folder = miniwdl("WDL.Zip").build_source_dir(cleanup, document, _log)
        yield from _files(Path(folder), FOLDER)


def _files(folder: Path, name: str) -> Iterator[tuple[str, bytes]]:
    for each in sorted(folder.rglob("*")):
        if each.is_file():
            yield f"{name}/{each.relative_to(folder).as_posix()}", each.read_bytes()


def _is_s3(uri: str) -> bool:
    return uri.startswith("s3://")


def _no_objects(uri: str) -> bytes:
    raise InvalidInputError(f"a WDL source of this kind holds its imports, not {uri}")


def _source_reader(read_object: ReadObject, parsed: argparse.Namespace) -> Any:
    """Read as miniwdl does, and objects on S3 besides, whose imports may be relative."""
    cli, wdl = miniwdl("WDL.CLI"), miniwdl("WDL")
    default = cli.make_read_source(parsed.no_outside_imports)

    async def read(uri: str, path: list[str], importer: Any) -> Any:
        above = importer.pos.abspath if importer else ""
        if _is_s3(above) and "://" not in uri:
            bucket, _, key = above.removeprefix("s3://").partition("/")
            uri = f"s3://{bucket}/{posixpath.normpath(posixpath.join(posixpath.dirname(key), uri))}"
        if not _is_s3(uri):
            return await default(uri, path, importer)
        return wdl.ReadSourceResult(read_object(uri).decode(), uri)

    return read


def _load_message(exc: Any) -> str:
    lines = [_positioned(each) for each in getattr(exc, "exceptions", None) or [exc]]
    cause = exc.__cause__
    if cause is not None and not getattr(exc, "exceptions", None):
        lines.append(f"  because: {_positioned(cause)}")
    return "\n".join(["the WDL source does not pass the check:", *lines])


def _positioned(exc: Any) -> str:
    pos = getattr(exc, "pos", None)
    place = f"{pos.uri} (line {pos.line}, column {pos.column}): " if pos else ""
    return f"  {place}{exc}"
