"""``miniwdl-aws-submit``: submit a WDL workflow to AWS Batch, and wait for it if asked to.

The job id alone goes to standard output; everything for people goes to standard error.
"""

import argparse
import difflib
import logging
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from miniwdl_aws import console
from miniwdl_aws.cancel import cancel_run
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.environment import process_environment
from miniwdl_aws.errors import MiniwdlAwsError
from miniwdl_aws.follow import Follower
from miniwdl_aws.outcome import Outcome
from miniwdl_aws.result import job_error
from miniwdl_aws.settings import (
    DELETE_AFTER,
    arguments_layer,
    doubtful_variables,
    environment_layer,
)
from miniwdl_aws.status import JobStatus
from miniwdl_aws.submission import prepare
from miniwdl_aws.submit import submit

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 plus SIGINT's number."""

SECOND_CHANCE_SECONDS = 10.0
"""How long after a Ctrl-C a second one ends the run."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    parser = _parser()
    arguments, passed = parser.parse_known_args(argv)
    if not passed:
        parser.error("name a WDL source: a file, an s3:// URI, a web address or a path in a job")
    verbose = arguments.follow or "--verbose" in passed or "--debug" in passed
    logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("miniwdl_aws").setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        sys.exit(run(vars(arguments), passed, process_environment()))
    except MiniwdlAwsError as exc:
        say(f"miniwdl-aws-submit: {exc}")
        say_misspelled(parser, passed)
        sys.exit(exc.process_exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def run(options: Mapping[str, Any], passed: Sequence[str], environ: Mapping[str, str]) -> int:
    """Submit, and wait if asked to.

    Args:
        options: the parsed flags.
        passed: the arguments of ``miniwdl run``.
        environ: the process's environment.

    Returns:
        The exit code: 0, or with ``--wait`` that of the workflow job.
    """
    for sentence in doubtful_variables(environ):
        say(f"warning: {sentence}")
    clients = AwsClients(region=options["region"])
    layers = [arguments_layer(options, flags=True), environment_layer(environ)]
    plan = prepare(
        clients,
        layers,
        environ,
        passed,
        run_key=options["run_key"] or f"cli/{uuid.uuid4()}",
        name=options["name"],
    )
    submission = submit(clients, plan)
    print(submission.job_id, flush=True)
    if submission.adopted:
        say(f"job {submission.job_id} runs for this run key already; nothing was submitted")
    if not (options["wait"] or options["follow"]):
        return 0
    return _wait(clients, submission.job_id, follow=options["follow"])


def say(text: str) -> None:
    """Tell a person something."""
    print(text, file=sys.stderr, flush=True)


def say_misspelled(parser: argparse.ArgumentParser, passed: Sequence[str]) -> None:
    """Point out options that were left to ``miniwdl run`` but nearly are options of ours."""
    ours = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001  (argparse has no other list)
    for argument in passed:
        option = argument.partition("=")[0]
        close = difflib.get_close_matches(option, ours, n=1, cutoff=0.8)
        if option.startswith("--") and close:
            say(f"did you mean {close[0]} instead of {option}?")


def _wait(clients: AwsClients, job_id: str, *, follow: bool) -> int:
    follower = Follower(
        clients, job_id, on_line=say if follow else None, on_status=_say_status if follow else _mute
    )
    while True:
        try:
            status, found = follower.wait()
        except KeyboardInterrupt:
            if not _asked_to_stop(job_id):
                continue
            return _stop(clients, job_id)
        return _conclude(clients, status, found)


def _mute(_status: JobStatus) -> None:
    """Say nothing."""


def _say_status(status: JobStatus) -> None:
    reason = f" ({status.reason})" if status.reason else ""
    say(f"job {status.job_id} {status.status}{reason}")


def _asked_to_stop(job_id: str, sleep: Callable[[float], object] = time.sleep) -> bool:
    say(
        f"The run goes on in AWS Batch. To end job {job_id} and its task jobs, press Ctrl-C again "
        f"within {SECOND_CHANCE_SECONDS:g} seconds; to leave it running, end this program with "
        "SIGTERM or close the terminal."
    )
    try:
        sleep(SECOND_CHANCE_SECONDS)
    except KeyboardInterrupt:
        return True
    return False


def _stop(clients: AwsClients, job_id: str) -> int:
    ended = cancel_run(clients, job_id, "cancelled with Ctrl-C in miniwdl-aws-submit")
    say(f"ended job {job_id} and {len(ended.terminated)} task jobs")
    if ended.alive:
        say(f"still ending: {', '.join(ended.alive)}")
    return INTERRUPTED


def _conclude(clients: AwsClients, status: JobStatus, found: Outcome | None) -> int:
    if status.succeeded:
        if found and found.published:
            say(f"published {found.object_count} objects to {found.published}")
        elif found and found.run_dir:
            say(f"run directory {found.run_dir}")
        return 0
    say(str(job_error(status, found, region=clients.region)))
    say(f"job: {console.job_url(clients.region, status.job_id)}")
    return status.exit_code or 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="miniwdl-aws-submit",
        description="Submit a WDL workflow to AWS Batch. All other arguments are those of "
        "`miniwdl run`: the WDL source, key=value inputs, -i FILE and options. Inputs name s3:// "
        "URIs or paths on the shared file system.",
        usage="miniwdl-aws-submit WDL [key=value ...] [-i INPUTS] [options]",
        epilog="Options that are not given are taken from MINIWDL__AWS__* variables, then from "
        "the tags of the workflow queue.",
        allow_abbrev=False,
    )
    _add_batch(parser.add_argument_group("AWS Batch"))
    _add_workflow_job(parser.add_argument_group("workflow job"))
    _add_files(parser.add_argument_group("files"))
    _add_waiting(parser.add_argument_group("waiting"))
    return parser


_Group = argparse._ArgumentGroup  # noqa: SLF001  (argparse gives its groups no public name)


def _add_batch(group: _Group) -> None:
    group.add_argument("--workflow-queue", help="job queue of the workflow job")
    group.add_argument("--task-queue", help="job queue of task jobs")
    group.add_argument(
        "--task-queue-fallback", help="job queue of tasks that must not be interrupted (any more)"
    )
    group.add_argument("--fsap", help="EFS access point that all jobs mount, fsap-...")
    group.add_argument("--mount", help="where all jobs mount it [/mnt/efs]")
    group.add_argument("--region", help="AWS region [boto3's default chain]")


def _add_workflow_job(group: _Group) -> None:
    group.add_argument("--workflow-role", help="IAM role of the workflow job")
    group.add_argument("--image", help="workflow image")
    group.add_argument("--name", help="name of the job [the WDL file's]")
    group.add_argument("--run-key", help="submit at most one live job for this key")
    group.add_argument("--cpu", metavar="N", help="vCPUs [1]")
    group.add_argument("--memory-GiB", dest="memory_gib", metavar="N", help="memory [4]")
    group.add_argument(
        "--workflow-timeout", dest="job_timeout_seconds", metavar="SECONDS", help="time-out [14 d]"
    )
    group.add_argument(
        "--no-env",
        dest="pass_environment",
        action="store_const",
        const=False,
        help="do not pass MINIWDL__* variables into the job",
    )
    group.add_argument(
        "--no-public-ip",
        dest="public_ip",
        action="store_const",
        const=False,
        help="give the job no public address (private subnets with NAT)",
    )


def _add_files(group: _Group) -> None:
    group.add_argument("-d", "--dir", help="folder of run directories [MOUNT/miniwdl_run]")
    group.add_argument(
        "--s3upload",
        metavar="URI",
        help="publish the run below s3://BUCKET/PREFIX; with a trailing slash, right there",
    )
    group.add_argument(
        "--delete-after",
        choices=DELETE_AFTER,
        help="with --s3upload, delete the run directory once published",
    )
    group.add_argument(
        "--exchange",
        metavar="URI",
        help="s3://BUCKET/PREFIX for WDL sources and inputs too large to travel inside the job",
    )


def _add_waiting(group: _Group) -> None:
    group.add_argument("-w", "--wait", action="store_true", help="wait for the workflow job")
    group.add_argument(
        "-f", "--follow", action="store_true", help="wait, and show the workflow's log"
    )


if __name__ == "__main__":
    main()
