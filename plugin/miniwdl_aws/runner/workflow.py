"""A run from its arguments to its report."""

import dataclasses
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from miniwdl_aws.cleanup import delete_run_dir
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.environment import MAILBOX_VARIABLE
from miniwdl_aws.errors import (
    AwsError,
    ConfigurationError,
    MiniwdlAwsError,
    PublicationError,
)
from miniwdl_aws.marker import update_marker
from miniwdl_aws.outcome import CallFailure, Outcome
from miniwdl_aws.publish import Publication, publish_run
from miniwdl_aws.runner import bundles
from miniwdl_aws.runner.failure import call_failure, ensure_error, write_error
from miniwdl_aws.runner.options import RunOptions
from miniwdl_aws.runner.process import Cancellation, ProcessResult, run_process
from miniwdl_aws.runner.reaping import end_task_jobs
from miniwdl_aws.runner.rundir import make_mailbox, provision
from miniwdl_aws.s3 import check_writable, parse_uri, publication_uri, write_object

CANCELLED_EXIT_CODE = 143
"""128 and SIGTERM: what a cancelled run ends with if miniwdl gave no code of its own."""

KILLED = 128
"""Exit codes above it tell that a signal killed miniwdl."""

_MINIWDL = (sys.executable, "-m", "miniwdl_aws.runner.miniwdl")

_log = logging.getLogger(__name__)


def run_workflow(
    options: RunOptions,
    clients: AwsClients,
    cancellation: Cancellation,
    *,
    show: Callable[[str], object],
) -> Outcome:
    """Run a workflow, publish it, and say how it went.

    Args:
        options: what is asked for.
        clients: where S3 is; asked only if something there is needed.
        cancellation: tells whether the job was asked to end.
        show: takes what belongs on standard output.

    Raises:
        MiniwdlAwsError: the run could not even begin.
    """
    if options.parsed.json_only:
        return _show_inputs(options, cancellation, show)
    if options.s3upload:
        check_writable(clients, options.s3upload)
    try:
        run_dir, arguments = _begin(options, clients)
    except MiniwdlAwsError as exc:
        _publish_error(options, clients, exc)
        raise
    try:
        result = run_process(
            _command(arguments, run_dir, options.parsed),
            {**options.environment, MAILBOX_VARIABLE: str(make_mailbox(run_dir))},
            cancellation,
        )
    except BaseException:
        update_marker(run_dir, state="failed")
        raise
    if cancellation.requested or result.exit_code > KILLED:
        end_task_jobs(clients, options.environment, options.job_id)
    if result.stdout:
        show(result.stdout.rstrip("\n"))
    outcome = _conclude(run_dir, result, cancellation)
    if options.s3upload:
        outcome = _publish(options, clients, outcome, show)
    return outcome


def failed_to_begin(exc: MiniwdlAwsError) -> Outcome:
    """Say that a run could not begin."""
    return Outcome(
        exit_code=exc.process_exit_code,
        failure=CallFailure(error=type(exc).__name__, message=str(exc)),
    )


def _show_inputs(
    options: RunOptions, cancellation: Cancellation, show: Callable[[str], object]
) -> Outcome:
    """Run ``miniwdl run --json``, which runs nothing."""
    command = [*_MINIWDL, "run", *options.arguments]
    command += ["--dir", str(options.directory)]
    result = run_process(command, options.environment, cancellation)
    show(result.stdout.rstrip("\n"))
    return Outcome(exit_code=result.exit_code)


def _begin(options: RunOptions, clients: AwsClients) -> tuple[Path, list[str]]:
    """Fetch what is to be run, and make its run directory."""
    refuse_root(options)
    bundle = bundles.fetch(options.bundle, clients)
    name = bundles.workflow_name(bundle, options.parsed.uri, options.parsed.task)
    run_dir = provision(options, name)
    return run_dir, bundles.lay_out(bundle, options.arguments, run_dir)


def _publish_error(options: RunOptions, clients: AwsClients, exc: MiniwdlAwsError) -> None:
    """Leave ``error.json`` on S3 for a run that has no run directory."""
    if not options.s3upload:
        return
    bucket, prefix = parse_uri(publication_uri(options.s3upload, options.job_id or "not_begun"))
    content = {"error": type(exc).__name__, "message": str(exc)}
    try:
        write_object(clients, bucket, f"{prefix}error.json", json.dumps(content, indent=2).encode())
    except AwsError as failure:
        _log.warning("error.json was not published: %s", failure)


def _command(arguments: Sequence[str], run_dir: Path, parsed: Any) -> list[str]:
    command = [*_MINIWDL, "run", *arguments, "--dir", f"{run_dir}/."]
    return command if parsed.error_json else [*command, "--error-json"]


def _conclude(run_dir: Path, result: ProcessResult, cancellation: Cancellation) -> Outcome:
    outputs = _outputs(run_dir)
    if result.exit_code == 0 and outputs is not None:
        update_marker(run_dir, state="succeeded")
        return Outcome(exit_code=0, run_dir=str(run_dir), outputs=outputs)
    cancelled = cancellation.requested
    update_marker(run_dir, state="cancelled" if cancelled else "failed")
    error = ensure_error(run_dir, result, f"miniwdl ended with exit code {result.exit_code}")
    failure = call_failure(error)
    if cancelled:
        message = f"the workflow job was asked to end by signal {cancellation.signal_number}"
        failure = dataclasses.replace(failure, category="cancelled", message=message)
        error = {**error, "cancelled": message}
        write_error(run_dir, error)
    exit_code = result.exit_code or (CANCELLED_EXIT_CODE if cancelled else 1)
    return Outcome(exit_code=exit_code, run_dir=str(run_dir), failure=failure)


def _outputs(run_dir: Path) -> Mapping[str, Any] | None:
    try:
        content = json.loads((run_dir / "outputs.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _publish(
    options: RunOptions, clients: AwsClients, outcome: Outcome, show: Callable[[str], object]
) -> Outcome:
    run_dir = Path(outcome.run_dir)
    uri = publication_uri(options.s3upload, run_dir.name)
    try:
        publication = publish_run(clients, run_dir, uri)
    except (MiniwdlAwsError, OSError) as exc:
        _log.error("not published: %s", exc)
        return _not_published(outcome, exc)
    _log.info(
        "published %d objects (%d bytes, %d put now) to %s",
        publication.object_count,
        publication.byte_count,
        publication.put_count,
        uri,
    )
    if publication.outputs is not None:
        show(json.dumps({"s3upload": uri, "outputs": publication.outputs}, indent=2))
    outcome = _published(outcome, publication)
    return _delete(options, clients, outcome)


def _published(outcome: Outcome, publication: Publication) -> Outcome:
    failure = outcome.failure
    if failure is not None and failure.stderr_file:
        uri = f"{publication.uri}CommandFailed_stderr.txt"
        failure = dataclasses.replace(failure, stderr_uri=uri)
    return dataclasses.replace(
        outcome,
        outputs=publication.outputs,
        published=publication.uri,
        object_count=publication.object_count,
        failure=failure,
    )


def _not_published(outcome: Outcome, exc: Exception) -> Outcome:
    """Fail a run for its publication, unless it has failed already."""
    if outcome.failure is not None:
        return outcome
    failure = CallFailure(error=type(exc).__name__, message=str(exc))
    code = PublicationError.process_exit_code
    return dataclasses.replace(outcome, exit_code=code, failure=failure)


def _delete(options: RunOptions, clients: AwsClients, outcome: Outcome) -> Outcome:
    wanted = ("always", "success" if outcome.failure is None else "failure")
    if options.delete_after not in wanted:
        return outcome
    run_dir = Path(outcome.run_dir)
    try:
        deleted = delete_run_dir(run_dir, run_dir.parent, clients=clients)
    except (MiniwdlAwsError, OSError) as exc:
        _log.warning("not deleted: %s", exc)
        return outcome
    return dataclasses.replace(outcome, deleted=deleted)


def refuse_root(options: RunOptions) -> None:
    """Refuse a root that would let any path be a run directory.

    Raises:
        ConfigurationError: ``[file_io] root`` is the root of the file system.
    """
    if options.root == Path("/"):
        raise ConfigurationError(
            "[file_io] root",
            "must be the mount point of the shared file system",
            value="/",
            source="miniwdl's configuration, or the variable MINIWDL__FILE_IO__ROOT",
            remedy="Set it to where all jobs mount the file system, such as /mnt/efs.",
        )
