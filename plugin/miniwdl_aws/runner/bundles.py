"""Bringing the WDL source and inputs to where miniwdl can read them."""

import io
import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from miniwdl_aws.arguments import changed, parse_arguments, write_arguments
from miniwdl_aws.bundle import (
    BUNDLE_VARIABLE,
    ENVIRONMENT_FILE,
    INLINE_PREFIX,
    SCHEME,
    Bundle,
    decode_inline,
    decode_object,
    resolve_references,
    unpack,
)
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.inputs import as_json, lay_over, read_inputs
from miniwdl_aws.runner.rundir import target_name
from miniwdl_aws.s3 import parse_uri, read_object

FOLDER = "bundle"
"""In the run directory: what travelled with the submission. Task jobs see it there too, as files
named relative to a WDL 1.2 source require."""

MERGED = "inputs-merged.json"
"""In that folder: several files of inputs as one."""

S3 = "s3://"


def fetch(text: str, clients: AwsClients) -> Bundle:
    """Fetch what travelled with the submission, and check that it arrived whole.

    Args:
        text: the value of `BUNDLE_VARIABLE`; empty for none.
        clients: where S3 is.

    Raises:
        InvalidInputError: it is not what it should be.
        AwsError: S3 could not be asked.
    """
    if not text:
        return Bundle({})
    if text.startswith(INLINE_PREFIX):
        return decode_inline(text)
    if not text.startswith(S3):
        raise InvalidInputError(
            f"{BUNDLE_VARIABLE} must begin with {INLINE_PREFIX} or {S3}, not {text[:20]!r}"
        )
    bucket, key = parse_uri(text)
    return decode_object(PurePosixPath(key).name, read_object(clients, bucket, key))


def lay_out(bundle: Bundle, arguments: Sequence[str], run_dir: Path) -> list[str]:
    """Write the files of a run into its directory, and let the arguments name them there.

    Several files of inputs become one, since miniwdl reads one. What an earlier head wrote stays:
    its jobs may be reading it.

    Raises:
        InvalidInputError: a file of inputs cannot be read.
    """
    folder = run_dir / FOLDER
    if bundle.files and not folder.exists():
        new = run_dir / f"{FOLDER}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        unpack(bundle, new)
        new.rename(folder)
    resolved = resolve_references(arguments, folder)
    parsed = parse_arguments(resolved)
    if len(parsed.input_files) <= 1:
        return resolved
    namespace = workflow_name(bundle, parse_arguments(arguments).uri, parsed.task)
    layers = [_read(each) for each in parsed.input_files]
    folder.mkdir(exist_ok=True)
    merged = folder / MERGED
    merged.write_bytes(as_json(lay_over(layers, namespace)))
    return write_arguments(changed(parsed, input_files=[str(merged)]))


def variables(run_dir: Path) -> dict[str, str]:
    """Give the variables that travelled with the submission, once it is laid out."""
    try:
        content = json.loads((run_dir / FOLDER / ENVIRONMENT_FILE).read_text())
    except FileNotFoundError:
        return {}
    return {str(name): str(value) for name, value in content.items()}


def workflow_name(bundle: Bundle, uri: str, task: str | None) -> str:
    """Find the name of the workflow that a run's WDL source holds."""
    fallback = PurePosixPath(uri.split("?", 1)[0]).name.split(".", 1)[0]
    return target_name(_main_source(bundle, uri), task, fallback)


def _read(given: str) -> dict[str, Any]:
    try:
        return read_inputs(given, _no_object)
    except OSError as exc:
        raise InvalidInputError(f"the inputs {given!r} cannot be read: {exc}") from exc


def _no_object(uri: str) -> bytes:
    raise InvalidInputError(f"several files of inputs can be paths and web addresses, not {uri}")


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
