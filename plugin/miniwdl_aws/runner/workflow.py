"""A run from its arguments to its report."""

import dataclasses
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from miniwdl_aws.cleanup import delete_run_dir
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import (
    AwsError,
    ConfigurationError,
    MiniwdlAwsError,
    PublicationError,
)
from miniwdl_aws.heads import RunPlace
from miniwdl_aws.jobs import describe_all
from miniwdl_aws.marker import update_marker
from miniwdl_aws.outcome import CallFailure, Outcome
from miniwdl_aws.publish import Publication, publish_run
from miniwdl_aws.report import write_report
from miniwdl_aws.runner import bundles
from miniwdl_aws.runner.failure import call_failure, ensure_error, write_error
from miniwdl_aws.runner.forked import in_child
from miniwdl_aws.runner.interruption import begins_again
from miniwdl_aws.runner.lease import Head, heads_of, holding, take
from miniwdl_aws.runner.options import RunOptions
from miniwdl_aws.runner.process import Cancellation, ProcessResult, run_process
from miniwdl_aws.runner.reaping import end_task_jobs, name_earlier
from miniwdl_aws.runner.resuming import (
    as_presented,
    find,
    is_concluded,
    point,
    present,
    reopen,
    unpoint,
)
from miniwdl_aws.runner.rundir import make_mailbox, provision
from miniwdl_aws.s3 import check_writable, parse_uri, publication_uri, write_object

CANCELLED_EXIT_CODE = 143
"""128 and SIGTERM: what a cancelled run ends with if miniwdl gave no code of its own."""

ENDING_SECONDS = 120.0
"""How long a job that is being ended is waited for; it has 30 s between SIGTERM and SIGKILL."""

ENDING_LOOK_SECONDS = 2.0

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
    head, place, arguments = in_child(partial(_prepare, options, clients))
    with holding(place.run_dir, head, lambda: cancellation.leave("another head has taken over")):
        if options.job_id:
            cancellation.spare = partial(begins_again, clients, options.job_id, options.attempt)
        result = _run_miniwdl(options, place, arguments, cancellation)
        if cancellation.left:
            return _left(place, cancellation)
        cancellation.spare = None
        return _finish(options, clients, place, result, cancellation, show)


def _run_miniwdl(
    options: RunOptions, place: RunPlace, arguments: Sequence[str], cancellation: Cancellation
) -> ProcessResult:
    if not options.exactly and is_concluded(place.run_dir):
        _log.info("%s has succeeded under an earlier head", place.run_dir)
        return ProcessResult(exit_code=0, stdout="", stderr_tail=())
    reopen(place, options)
    try:
        return run_process(
            _command(arguments, place.directory, options.parsed),
            {
                **bundles.variables(place.run_dir),
                **options.environment,
                **place.variables(),
            },
            cancellation,
        )
    except BaseException:
        update_marker(place.run_dir, state="failed")
        raise


def _finish(
    options: RunOptions,
    clients: AwsClients,
    place: RunPlace,
    result: ProcessResult,
    cancellation: Cancellation,
    show: Callable[[str], object],
) -> Outcome:
    """End what miniwdl left, say how it went, and publish."""
    if cancellation.requested or result.exit_code > KILLED or place.head > 1:
        for job_id in {options.job_id, *(head.job_id for head in heads_of(place.run_dir))}:
            end_task_jobs(clients, options.environment, job_id)
    present(place)
    if result.stdout:
        show(as_presented(result.stdout.rstrip("\n"), place))
    outcome = _conclude(place.run_dir, result, cancellation)
    write_report(place.run_dir, exit_code=outcome.exit_code)
    if options.s3upload:
        outcome = _publish(options, clients, outcome, show)
    if not is_concluded(place.run_dir):
        unpoint(options)
    return outcome


def _left(place: RunPlace, cancellation: Cancellation) -> Outcome:
    """Report that another head goes on with the run."""
    _log.warning("%s is left as it is: %s", place.run_dir, cancellation.left)
    failure = CallFailure(error="HeadEnded", message=cancellation.left, category="infrastructure")
    return Outcome(exit_code=CANCELLED_EXIT_CODE, run_dir=str(place.run_dir), failure=failure)


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


def _prepare(options: RunOptions, clients: AwsClients) -> tuple[Head, RunPlace, list[str]]:
    """See that the run can be published, and begin it; who waits on S3 is told if it cannot."""
    if options.s3upload:
        check_writable(clients, options.s3upload)
    try:
        return _begin(options, clients)
    except MiniwdlAwsError as exc:
        _publish_error(options, clients, exc)
        raise


def _begin(options: RunOptions, clients: AwsClients) -> tuple[Head, RunPlace, list[str]]:
    """Fetch what is to be run, and make its run directory or take up an earlier head's."""
    refuse_root(options)
    bundle = bundles.fetch(options.bundle, clients)
    name = bundles.workflow_name(bundle, options.parsed.uri, options.parsed.task)
    run_dir = _found(options, clients) or provision(options, name)
    head = take(run_dir, options.job_id, options.attempt, partial(_lives, clients))
    point(options, run_dir)
    place = RunPlace(run_dir=run_dir, head=head.number)
    make_mailbox(place)
    if place.head > 1:
        _log.info("head %d of %s takes up what was begun", place.head, run_dir)
        earlier = [each.job_id for each in reversed(heads_of(run_dir))]
        name_earlier(clients, options.job_id, earlier)
    return head, place, bundles.lay_out(bundle, options.arguments, run_dir)


def _found(options: RunOptions, clients: AwsClients) -> Path | None:
    """Find the run directory to take up, once a job there that is being ended has ended.

    Who clears a task has its job ended, and the next one submitted at once.
    """
    look = partial(find, options, partial(_has_succeeded, clients))
    run_dir = look()
    others = heads_of(run_dir)[-1:] if run_dir else []
    for other in others:
        if other.job_id and other.job_id != options.job_id:
            await_ending(clients, other.job_id)
    return look() if others else run_dir


def await_ending(
    clients: AwsClients, job_id: str, *, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Wait for the end of a job that is being ended, a bounded time; for no other job."""
    for _ in range(round(ENDING_SECONDS / ENDING_LOOK_SECONDS)):
        if not any(
            (status.is_terminated or status.is_cancelled) and not status.is_terminal
            for status in describe_all(clients, [job_id])
        ):
            return
        _log.info("waiting for job %s, which is being ended", job_id)
        sleep(ENDING_LOOK_SECONDS)


def _has_succeeded(clients: AwsClients, job_id: str) -> bool:
    return all(status.succeeded for status in describe_all(clients, [job_id] if job_id else []))


def _lives(clients: AwsClients, job_id: str) -> bool:
    return any(not status.is_terminal for status in describe_all(clients, [job_id]))


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
