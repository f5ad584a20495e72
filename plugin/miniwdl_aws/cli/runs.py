"""``miniwdl-aws-submit status|logs|cancel``: looking after a run that was submitted."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from miniwdl_aws import console
from miniwdl_aws.calls import (
    SubmittedRun,
    as_document,
    as_table,
    describe_run,
    describe_workflow_job,
    duration,
    select_calls,
)
from miniwdl_aws.cancel import cancel_run
from miniwdl_aws.cli.submit_options import add_region
from miniwdl_aws.cli.waiting import INTERRUPTED, conclude, say, say_cancelled, wait_for
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.logs import LogReader

_JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_about_a_run(argv: Sequence[str]) -> bool:
    """Tell whether a command line looks after a run, and submits none.

    A WDL source may be called ``status``: the word is the source if there is such a file, and no
    job is named behind it.
    """
    if not argv or argv[0] not in _COMMANDS:
        return False
    return not Path(argv[0]).is_file() or any(_JOB_ID.fullmatch(each) for each in argv[1:])


def main(argv: Sequence[str]) -> int:
    """Look after a run; gives the exit code."""
    arguments = _parser().parse_args(argv)
    clients = AwsClients(region=arguments.region)
    return _COMMANDS[arguments.command](clients, arguments)


def _status(clients: AwsClients, arguments: argparse.Namespace) -> int:
    run = describe_run(clients, arguments.job)
    if arguments.json:
        print(json.dumps(as_document(run, clients.region), indent=2))
        return 0
    for line in _described(run, clients.region):
        print(line)
    return 0


def _described(run: SubmittedRun, region: str) -> list[str]:
    job = run.job
    reason = f" ({job.reason})" if job.reason else ""
    lines = [f"job {job.job_id} ({job.job_name}) {job.status}{reason}"]
    if job.started_at is not None and job.stopped_at is not None:
        lines.append(f"ran {duration((job.stopped_at - job.started_at) / 1000)}")
    if job.log_stream:
        lines.append(f"log {console.log_url(region, job.log_stream)}")
    if not run.calls:
        return [*lines, "no task jobs"]
    failed = [call for call in run.calls if call.status == "FAILED" and call.reason]
    return [
        *lines,
        *as_table(run.calls),
        *(f"{call.name}, try {call.attempt}: {call.reason}" for call in failed),
    ]


def _logs(clients: AwsClients, arguments: argparse.Namespace) -> int:
    if arguments.call:
        return _logs_of_calls(clients, arguments)
    job = describe_workflow_job(clients, arguments.job)
    if not arguments.follow:
        return _print_log(clients, job.log_stream)
    ended = wait_for(clients, arguments.job, on_line=_show)
    return INTERRUPTED if ended is None else conclude(clients, ended)


def _logs_of_calls(clients: AwsClients, arguments: argparse.Namespace) -> int:
    calls = select_calls(describe_run(clients, arguments.job).calls, arguments.call)
    if not calls:
        raise InvalidInputError(
            f"job {arguments.job} has no task job of a call {arguments.call!r}. "
            f"`miniwdl-aws-submit status {arguments.job}` shows its calls."
        )
    for call in calls:
        say(f"== {call.name}, try {call.attempt}, job {call.job_id} {call.status}")
        if arguments.follow and call is calls[-1]:
            wait_for(clients, call.job_id, on_line=_show, cancel=arguments.job)
        else:
            _print_log(clients, call.log_stream)
    return 0


def _show(line: str) -> None:
    print(line, flush=True)


def _print_log(clients: AwsClients, stream: str) -> int:
    if not stream:
        say("there is no log yet: the job has not started")
        return 0
    for line in LogReader(clients).lines(stream):
        print(line)
    return 0


def _cancel(clients: AwsClients, arguments: argparse.Namespace) -> int:
    before = describe_workflow_job(clients, arguments.job)
    if before.is_terminal:
        say(f"job {arguments.job} has ended already: {before.status}")
    ended = cancel_run(clients, arguments.job, arguments.reason, wait_seconds=arguments.wait)
    say_cancelled(ended)
    return 1 if ended.alive else 0


_COMMANDS: dict[str, Callable[[AwsClients, argparse.Namespace], int]] = {
    "status": _status,
    "logs": _logs,
    "cancel": _cancel,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="miniwdl-aws-submit", description="Look after a run that was submitted."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser("status", help="show the run call by call")
    status.add_argument("--json", action="store_true", help="for machines")
    logs = commands.add_parser("logs", help="show the workflow's log, or that of a call")
    logs.add_argument("--call", metavar="NAME", help="of this call's task jobs; * is a wildcard")
    logs.add_argument("-f", "--follow", action="store_true", help="until the job has ended")
    cancel = commands.add_parser("cancel", help="end the workflow job and its task jobs")
    cancel.add_argument("--reason", default="cancelled with miniwdl-aws-submit cancel")
    cancel.add_argument(
        "--wait", metavar="SECONDS", type=float, default=120.0, help="to see them end [120]"
    )
    for command in (status, logs, cancel):
        command.add_argument("job", metavar="JOB", help="id of the workflow job")
        add_region(command)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
