"""The WDL source and inputs of a run: checked here, packed to travel, named as the job sees them.

miniwdl does the reading, and is imported only when a run is prepared.
"""

import contextlib
import difflib
import io
import json
import logging
import posixpath
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from miniwdl_aws.bundle import Bundle, reference
from miniwdl_aws.errors import ConfigurationError, InvalidInputError
from miniwdl_aws.settings import is_below

_log = logging.getLogger(__name__)

INPUTS_FILE = "inputs.json"

SOURCE_FOLDER = "source"


@dataclass(frozen=True, kw_only=True)
class PackedRun:
    """A run as it travels.

    Attributes:
        name: the WDL file's name without its ending, for the job's name.
        arguments: those of ``miniwdl run`` inside the job.
        bundle: the files that they refer to, if any travel.
        sample: what the inputs call the sample, if they do.
    """

    name: str
    arguments: tuple[str, ...]
    bundle: Bundle | None
    sample: str = ""


def pack(arguments: Sequence[str], *, mount: str, read_object: Callable[[str], bytes]) -> PackedRun:
    """Check a run and make it ready to travel.

    A WDL file of this machine or on S3 is type-checked with its imports, the inputs are checked
    against it, and both become a bundle. A web address or a path below the mount point is left to
    the job, which can open it.

    Args:
        arguments: those of ``miniwdl run``: WDL source, ``key=value`` inputs, ``-i``, options.
        mount: the mount point of the shared file system.
        read_object: gives the content of an ``s3://`` URI; raises `AwsError`.

    Raises:
        InvalidInputError: the source or the inputs cannot be run.
        ConfigurationError: miniwdl is not installed here.
    """
    parsed = parse_arguments(arguments)
    files: dict[str, bytes] = {}
    packed = list(arguments)
    document: Any = None
    if _is_s3(parsed.uri) or not _opened_by_job(parsed.uri, mount):
        main, source, document = _read_source(parsed.uri, read_object)
        files.update(source)
        packed = _substitute(packed, "uri", parsed.uri, reference(main))
    if parsed.input_file and (
        _is_s3(parsed.input_file) or not _opened_by_job(parsed.input_file, mount)
    ):
        inputs = _read_inputs(parsed.input_file, read_object)
        files[INPUTS_FILE] = json.dumps(inputs, indent=1, sort_keys=True).encode()
        packed = _substitute(packed, "input_file", parsed.input_file, reference(INPUTS_FILE))
    else:
        inputs = None
    if document is not None:
        _check_inputs(document, parsed, inputs, mount)
    name = Path(parsed.uri.split("?", 1)[0]).stem.split(".", 1)[0] or "workflow"
    bundle = Bundle(files) if files else None
    return PackedRun(name=name, arguments=tuple(packed), bundle=bundle)


def parse_arguments(arguments: Sequence[str]) -> Any:
    """Read the arguments of ``miniwdl run`` with miniwdl's own grammar.

    Returns:
        The namespace: ``uri``, ``inputs``, ``input_file``, ``empty``, ``none``, ``task`` and more.

    Raises:
        InvalidInputError: they are not those of ``miniwdl run``; with what it complains about.
    """
    parser = _miniwdl("WDL.CLI").create_arg_parser()
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            return parser.parse_args(["run", *arguments])
    except SystemExit as exc:
        said = complaints.getvalue().strip().splitlines()
        last = said[-1].partition("error: ")[2] if said else f"exit code {exc.code}"
        raise InvalidInputError(
            f"these are not arguments of `miniwdl run`: {last}. They were: {list(arguments)}"
        ) from exc


def _miniwdl(module: str) -> Any:
    import importlib  # noqa: PLC0415  (with the module that it imports: only when a run is prepared)

    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise ConfigurationError(
            "miniwdl",
            "is not installed here, and it checks WDL sources and inputs",
            remedy="pip install 'miniwdl-aws[wdl]>=1.0'.",
        ) from exc


def _opened_by_job(uri: str, mount: str) -> bool:
    if uri.lstrip().startswith("{"):
        return False
    return "://" in uri or (is_below(uri, mount) and uri.startswith("/"))


def _substitute(arguments: Sequence[str], attribute: str, old: str, new: str) -> list[str]:
    """Put another value where the grammar reads ``attribute``, and nowhere else."""
    for index, argument in enumerate(arguments):
        if old in argument:
            changed = [*arguments[:index], argument.replace(old, new), *arguments[index + 1 :]]
            if getattr(parse_arguments(changed), attribute) == new:
                return changed
    raise InvalidInputError(f"{old!r} was not found among the arguments {list(arguments)}")


def _is_s3(uri: str) -> bool:
    return uri.startswith("s3://")


def _read_source(
    uri: str, read_object: Callable[[str], bytes]
) -> tuple[str, dict[str, bytes], Any]:
    if not _is_s3(uri) and not Path(uri).exists():
        raise InvalidInputError(
            f"the WDL source {uri!r} is not on this machine, and is neither a URL nor a path on "
            f"the shared file system.{_nearest_file(Path(uri))}"
        )
    if uri.endswith(".zip"):
        content = read_object(uri) if _is_s3(uri) else Path(uri).read_bytes()
        return f"{SOURCE_FOLDER}.zip", {f"{SOURCE_FOLDER}.zip": content}, _load_zip(content)
    document = _load(uri, read_object)
    with contextlib.ExitStack() as cleanup:
        folder = Path(_miniwdl("WDL.Zip").build_source_dir(cleanup, document, _log))
        files = {
            f"{SOURCE_FOLDER}/{each.relative_to(folder).as_posix()}": each.read_bytes()
            for each in sorted(folder.rglob("*"))
            if each.is_file()
        }
    return f"{SOURCE_FOLDER}/{PurePosixPath(uri).name}", files, document


def _nearest_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f" The folder {path.parent} does not exist."
    names = [each.name for each in path.parent.iterdir()]
    close = difflib.get_close_matches(path.name, names, n=1)
    return f" Did you mean {path.parent / close[0]}?" if close else ""


def _load_zip(content: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{SOURCE_FOLDER}.zip")
        path.write_bytes(content)
        try:
            with _miniwdl("WDL.Zip").unpack(str(path)) as unpacked:
                return _load(unpacked.main_wdl, _no_objects)
        except (_miniwdl("WDL.Error").InputError, OSError) as exc:
            raise InvalidInputError(
                f"the WDL source is no archive made by `miniwdl zip`: {exc}"
            ) from exc


def _no_objects(uri: str) -> bytes:
    raise InvalidInputError(f"an archive made by `miniwdl zip` holds its imports, not {uri}")


def _load(uri: str, read_object: Callable[[str], bytes]) -> Any:
    wdl = _miniwdl("WDL")
    failures = (
        wdl.Error.SyntaxError,
        wdl.Error.ImportError,
        wdl.Error.ValidationError,
        wdl.Error.MultipleValidationErrors,
    )
    try:
        return wdl.load(uri, read_source=_source_reader(read_object))
    except failures as exc:
        raise InvalidInputError(_load_message(exc)) from exc


def _source_reader(read_object: Callable[[str], bytes]) -> Any:
    """Read as miniwdl does, and objects on S3 besides, whose imports may be relative."""
    cli, wdl = _miniwdl("WDL.CLI"), _miniwdl("WDL")
    default = cli.make_read_source(no_outside_imports=False)

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


def _read_inputs(given: str, read_object: Callable[[str], bytes]) -> dict[str, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415  (with miniwdl; only when a run is prepared)
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415  (as above)

    try:
        content = YAML(typ="safe", pure=True).load(_inputs_text(given, read_object))
    except YAMLError as exc:
        raise InvalidInputError(f"the inputs {given!r} are no JSON or YAML: {exc}") from exc
    if not isinstance(content, dict):
        raise InvalidInputError(f"the inputs {given!r} must be an object of names and values")
    return content


def _inputs_text(given: str, read_object: Callable[[str], bytes]) -> str:
    if given.lstrip().startswith("{"):
        return given
    if _is_s3(given):
        return read_object(given).decode()
    path = Path(given)
    if not path.is_file():
        raise InvalidInputError(f"the inputs file {given!r} does not exist.{_nearest_file(path)}")
    return path.read_text()


def _check_inputs(document: Any, parsed: Any, inputs: dict[str, Any] | None, mount: str) -> None:
    cli = _miniwdl("WDL.CLI")
    error = _miniwdl("WDL.Error").InputError
    input_file = json.dumps(inputs) if inputs is not None else None
    unchecked = parsed.input_file is not None and inputs is None
    try:
        target = cli.runner_exe(document, parsed.task)
    except error as exc:
        raise InvalidInputError(str(exc)) from exc
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            cli.runner_input(
                document,
                parsed.inputs,
                input_file,
                parsed.empty,
                parsed.none,
                task=parsed.task,
                check_required=not unchecked,
                downloadable=_seen_by_job(mount),
            )
    except (error, ValueError) as exc:
        raise InvalidInputError(f"{exc}.{_available(target, str(exc))}") from exc


def _seen_by_job(mount: str) -> Callable[[str, bool], bool]:
    """Accept the paths that a job can open, and refuse those of the submitting machine."""

    def check(path: str, directory: bool) -> bool:  # noqa: FBT001  (miniwdl's signature)
        if not _opened_by_job(path, mount):
            kind = "Directory" if directory else "File"
            raise InvalidInputError(
                f"{kind} input {path!r} is not visible to the job, which sees {mount} and URIs. "
                "Copy it to S3 or to the shared file system and name it there."
            )
        return True

    return check


def _available(target: Any, message: str) -> str:
    known = [binding.name for binding in target.available_inputs]
    wrong = message.rsplit(": ", maxsplit=1)[-1].removeprefix(f"{target.name}.")
    close = difflib.get_close_matches(wrong, known, n=1)
    hint = f" Did you mean {close[0]}?" if close and close[0] != wrong else ""
    required = [binding.name for binding in target.required_inputs]
    return f"{hint} Required inputs of {target.name}: {', '.join(required) or 'none'}."
