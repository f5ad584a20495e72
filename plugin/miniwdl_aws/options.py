"""Options of ``miniwdl run`` that name files or variables of the submitting machine."""

import argparse
import configparser
import io
import json
from collections.abc import Mapping
from pathlib import Path

from miniwdl_aws.arguments import changed
from miniwdl_aws.bundle import reference
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.inputs import read_text
from miniwdl_aws.shared import SharedFileSystem
from miniwdl_aws.variables import speaks_of_secret

CFG_FILE = "miniwdl.cfg"

PACKAGED_CFG = Path(__file__).parent / "miniwdl_aws.cfg"
"""miniwdl's configuration in a workflow job that has no other."""


def ship_options(
    parsed: argparse.Namespace,
    *,
    shared: SharedFileSystem,
    environ: Mapping[str, str],
    secrets: Mapping[str, str],
) -> tuple[argparse.Namespace, dict[str, bytes]]:
    """Make the options mean in the job what they mean here, or refuse them.

    Args:
        parsed: the arguments of ``miniwdl run``.
        shared: the shared file system.
        environ: the submitter's environment.
        secrets: variables that the job gets besides.

    Returns:
        The options for the job, and the files that travel for them.

    Raises:
        InvalidInputError: an option cannot mean that in a job; the message says what to do.
    """
    for flag, path in (("-o", parsed.stdout_file), ("-e", parsed.stderr_file)):
        _refuse_file_elsewhere(flag, path, shared)
    cfg, shipped = _cfg(parsed.cfg, shared)
    options = changed(
        parsed,
        cfg=cfg,
        runtime_defaults=_runtime_defaults(parsed.runtime_defaults, shared),
        env=[_variable(each, environ, secrets) for each in parsed.env or ()] or None,
    )
    return options, shipped


def _refuse_file_elsewhere(flag: str, path: str | None, shared: SharedFileSystem) -> None:
    if path and not (path.startswith("/") and shared.in_job(path)):
        raise InvalidInputError(
            f"{flag} {path}: the job writes this file, where nobody would find it. Name a path "
            f"below {shared.mount}, or leave {flag} out: outputs.json is in the run directory, and "
            "with --s3upload on S3."
        )


def _cfg(path: str | None, shared: SharedFileSystem) -> tuple[str | None, dict[str, bytes]]:
    """Let a configuration file of this machine travel, laid over the one of the package."""
    if path is None or _only_in_job(path, shared):
        return path, {}
    given = configparser.RawConfigParser()
    try:
        given.read_string(read_text(path, "the configuration file"), source=path)
    except configparser.Error as exc:
        raise InvalidInputError(f"the configuration file {path!r} is damaged: {exc}") from exc
    for section in given.sections():
        for key, value in given.items(section):
            _refuse_secret(path, section, key, value)
    merged = configparser.RawConfigParser()
    merged.read_string(PACKAGED_CFG.read_text())
    merged.read_dict(given)
    written = io.StringIO()
    merged.write(written)
    return reference(CFG_FILE), {CFG_FILE: written.getvalue().encode()}


def _refuse_secret(path: str, section: str, key: str, value: str) -> None:
    variable = f"MINIWDL__{section.upper()}__{key.upper()}"
    if speaks_of_secret(variable, value):
        raise InvalidInputError(
            f"[{section}] {key} of {path} speaks of a secret, and what travels with a job is "
            f"readable for many. Store it in AWS Secrets Manager and pass --secret {variable}=ARN."
        )


def _runtime_defaults(given: str | None, shared: SharedFileSystem) -> str | None:
    if given is None or _only_in_job(given, shared):
        return given
    text = given if given.lstrip().startswith("{") else read_text(given, "the file of defaults")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as exc:
        raise InvalidInputError(
            f"--runtime-defaults {given!r} is no JSON: line {exc.lineno}, column {exc.colno}: "
            f"{exc.msg}"
        ) from exc
    if not isinstance(content, dict):
        raise InvalidInputError(f"--runtime-defaults {given!r} must be a JSON object")
    return json.dumps(content)


def _variable(given: str, environ: Mapping[str, str], secrets: Mapping[str, str]) -> str:
    name, separator, value = given.partition("=")
    if not separator and name not in (*environ, *secrets):
        raise InvalidInputError(
            f"--env {name}: there is no such variable here. Set it, or give --env {name}=VALUE."
        )
    value = value if separator else environ.get(name, "")
    if name in secrets or speaks_of_secret(name, value):
        raise InvalidInputError(
            f"--env {name} is or speaks of a secret, and it would stand in every task job for "
            "everyone who may describe it. Store it in AWS Secrets Manager, and let task jobs have "
            f"it by reference: set MINIWDL__AWS__TASK_SECRETS={name}=ARN, and "
            "MINIWDL__AWS__EXECUTION_ROLE to a role that may read it ([aws] task_secrets, "
            "execution_role)."
        )
    return f"{name}={value}"


def _only_in_job(path: str, shared: SharedFileSystem) -> bool:
    """Tell whether a path lies on the shared file system, at its place in the jobs."""
    return shared.in_job(path) == path
