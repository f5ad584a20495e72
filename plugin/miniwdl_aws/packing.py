"""A run as it travels: checked here, named as the job sees it.

miniwdl does the reading, and is imported only when a run is prepared.
"""

import argparse
import contextlib
import difflib
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniwdl_aws.arguments import changed, miniwdl, parse_arguments, write_arguments
from miniwdl_aws.bundle import Bundle, reference
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.inputs import WEB, ReadObject, as_json, lay_over, read_inputs, sample_of
from miniwdl_aws.options import ship_options
from miniwdl_aws.shared import SharedFileSystem
from miniwdl_aws.source import Source, read_source

_log = logging.getLogger(__name__)

INPUTS_FILE = "inputs.json"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a run is packed among.

    Attributes:
        shared: the shared file system.
        read_object: gives the content of an ``s3://`` URI; raises `AwsError`.
        environ: the submitter's environment, for ``--env NAME``.
        secrets: variables that the job gets besides.
    """

    shared: SharedFileSystem
    read_object: ReadObject
    environ: Mapping[str, str]
    secrets: Mapping[str, str]


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


@dataclass(frozen=True)
class _Layer:
    """Inputs from one ``-i``: what they hold, or None if only the job can read them."""

    given: str
    content: Mapping[str, Any] | None


def pack(arguments: Sequence[str], around: Surroundings) -> PackedRun:
    """Check a run and make it ready to travel.

    The source is type-checked with its imports, all inputs against it; what the job could not open
    travels. Files of inputs and ``key=value`` become one file, the later ones deciding.

    Args:
        arguments: those of ``miniwdl run``: WDL source, ``key=value`` inputs, ``-i``, options.
        around: what the run is packed among.

    Raises:
        InvalidInputError: the source, the inputs or an option cannot be run.
        ConfigurationError: miniwdl is not installed here.
    """
    given = parse_arguments(arguments)
    parsed, files = ship_options(
        given, shared=around.shared, environ=around.environ, secrets=around.secrets
    )
    _refuse_telling(given, around.secrets)
    source = read_source(given, around.shared, around.read_object)
    parsed = changed(parsed, uri=source.uri, **_imports(given, source, around.shared))
    layers = [_layer(each, around) for each in given.input_files]
    if source.document is not None and all(each.content is not None for each in layers):
        parsed, inputs, sample = _one_file(source, layers, parsed, around.shared)
    else:
        if source.document is not None:
            _check(source, layers, given, around.shared)
        parsed, inputs, sample = _several_files(layers, parsed)
    files = {**source.files, **files, **inputs}
    return PackedRun(
        name=Path(given.uri.split("?", 1)[0]).stem.split(".", 1)[0] or "workflow",
        arguments=tuple(write_arguments(parsed)),
        bundle=Bundle(files) if files else None,
        sample=sample,
    )


def _refuse_telling(given: argparse.Namespace, secrets: Mapping[str, str]) -> None:
    telling = [name for name in secrets if name.upper().startswith("MINIWDL")]
    if given.debug and telling:
        raise InvalidInputError(
            f"--debug lets miniwdl write its variables to the log, and {telling[0]} is a secret. "
            "Leave --debug out; --verbose tells nearly as much."
        )


def _imports(given: argparse.Namespace, source: Source, shared: SharedFileSystem) -> dict[str, Any]:
    """Forget where imports are looked for if they travel; else refuse folders of this machine."""
    if source.files:
        return {"path": None, "no_outside_imports": False}
    folders = [shared.in_job(folder) for folder in given.path or ()]
    if None in folders:
        raise InvalidInputError(
            f"--path {given.path[folders.index(None)]} is a folder of this machine, and the job "
            f"opens {given.uri} itself. Put the folder below {shared.mount}."
        )
    return {"path": folders or None}


def _layer(given: str, around: Surroundings) -> _Layer:
    in_job = around.shared.in_job(given) if "://" not in given else None
    if not given.lstrip().startswith("{") and in_job == given and not Path(given).exists():
        return _Layer(given, None)
    try:
        return _Layer(given, read_inputs(given, around.read_object))
    except OSError as exc:
        if not given.startswith(WEB):
            raise
        _log.warning("%s cannot be read from here (%s); the job will", given, exc)
        return _Layer(given, None)


def _one_file(
    source: Source,
    layers: Sequence[_Layer],
    parsed: argparse.Namespace,
    shared: SharedFileSystem,
) -> tuple[argparse.Namespace, dict[str, bytes], str]:
    inputs = _check(source, layers, parsed, shared)
    if not inputs:
        return parsed, {}, ""
    changes = {"inputs": [], "empty": None, "none": None, "input_files": [reference(INPUTS_FILE)]}
    return changed(parsed, **changes), {INPUTS_FILE: as_json(inputs)}, sample_of(inputs)


def _several_files(
    layers: Sequence[_Layer], parsed: argparse.Namespace
) -> tuple[argparse.Namespace, dict[str, bytes], str]:
    """Let each file travel that only this machine can read; the job lays them over each other."""
    files: dict[str, bytes] = {}
    named: list[str] = []
    for number, layer in enumerate(layers, start=1):
        name = INPUTS_FILE if len(layers) == 1 else f"inputs-{number}.json"
        if layer.content is not None:
            files[name] = as_json(layer.content)
        named.append(layer.given if layer.content is None else reference(name))
    sample = sample_of(lay_over(layer.content or {} for layer in layers))
    return changed(parsed, input_files=named), files, sample


def _check(
    source: Source,
    layers: Sequence[_Layer],
    parsed: argparse.Namespace,
    shared: SharedFileSystem,
) -> dict[str, Any]:
    """Check inputs against a document.

    Returns:
        All of them, with paths as the job sees them.

    Raises:
        InvalidInputError: a name or a type is wrong, one is missing, or no job can see a file.
    """
    cli, wdl = miniwdl("WDL.CLI"), miniwdl("WDL")
    error = wdl.Error.InputError
    try:
        target = cli.runner_exe(source.document, parsed.task)
    except error as exc:
        raise InvalidInputError(str(exc)) from exc
    namespace = target.name if isinstance(target, wdl.Workflow) else ""
    known = [each.content for each in layers if each.content is not None]
    merged = lay_over(known if layers else [source.inputs or {}], target.name)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            _, values, _ = cli.runner_input(
                source.document,
                parsed.inputs,
                as_json(merged).decode(),
                parsed.empty,
                parsed.none,
                task=parsed.task,
                check_required=len(known) == len(layers),
                downloadable=_refusing(shared),
            )
    except (error, ValueError) as exc:
        raise InvalidInputError(f"{exc}.{_available(target, str(exc))}") from exc
    translated = wdl.Value.rewrite_env_paths(values, _translating(shared))
    result: dict[str, Any] = wdl.values_to_json(translated, namespace=namespace)
    return result


def _refusing(shared: SharedFileSystem) -> Callable[[str, bool], bool]:
    """Accept the paths that a job can open, and refuse those of the submitting machine."""

    def check(path: str, directory: bool) -> bool:  # noqa: FBT001  (miniwdl's signature)
        if not shared.sees(path):
            kind = "Directory" if directory else "File"
            raise InvalidInputError(
                f"{kind} input {path!r} is not visible to the job, which sees {shared.mount} and "
                "URIs. Copy it to S3 or to the shared file system and name it there."
            )
        return True

    return check


def _translating(shared: SharedFileSystem) -> Callable[[Any], str]:
    """Name files as the job sees them.

    They are checked again, since miniwdl's own check leaves out what is inside a pair or a struct.
    """
    check = _refusing(shared)

    def translate(value: Any) -> str:
        path = str(value.value)
        check(path, isinstance(value, miniwdl("WDL").Value.Directory))
        return path if "://" in path else str(shared.in_job(path))

    return translate


def _available(target: Any, message: str) -> str:
    known = [binding.name for binding in target.available_inputs]
    wrong = message.rsplit(": ", maxsplit=1)[-1].removeprefix(f"{target.name}.")
    close = difflib.get_close_matches(wrong, known, n=1)
    hint = f" Did you mean {close[0]}?" if close and close[0] != wrong else ""
    required = [binding.name for binding in target.required_inputs]
    return f"{hint} Required inputs of {target.name}: {', '.join(required) or 'none'}."
