"""The options of ``miniwdl-aws-submit``."""

import argparse
import difflib
from collections.abc import Iterator, Sequence

from miniwdl_aws.settings import DELETE_AFTER

_Group = argparse._ArgumentGroup  # noqa: SLF001  (argparse gives its groups no public name)


def submit_parser() -> argparse.ArgumentParser:
    """Make the parser of a submission; what it does not know is for ``miniwdl run``."""
    parser = argparse.ArgumentParser(
        prog="miniwdl-aws-submit",
        description="Submit a WDL workflow to AWS Batch. All other arguments are those of "
        "`miniwdl run`: the WDL source, key=value inputs, -i FILE (again "
        "and again; later files win) and options. Inputs name s3:// URIs or paths on the shared "
        "file system.",
        usage="miniwdl-aws-submit WDL [key=value ...] [-i INPUTS] [options]\n"
        "       miniwdl-aws-submit {status,logs,cancel} JOB [options]",
        epilog="Options that are not given are taken from MINIWDL__AWS__* variables, then from "
        "the tags of the workflow queue.",
        allow_abbrev=False,
    )
    _add_batch(parser.add_argument_group("AWS Batch"))
    _add_workflow_job(parser.add_argument_group("workflow job"))
    _add_files(parser.add_argument_group("files"))
    _add_what_to_do(parser.add_argument_group("what to do"))
    return parser


def misspelled(parser: argparse.ArgumentParser, passed: Sequence[str]) -> Iterator[str]:
    """Point out options that were left to ``miniwdl run`` but nearly are options of ours."""
    ours = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001  (argparse has no other list)
    for argument in passed:
        option = argument.partition("=")[0]
        close = difflib.get_close_matches(option, ours, n=1, cutoff=0.8)
        if option.startswith("--") and close:
            yield f"did you mean {close[0]} instead of {option}?"


def add_region(group: _Group | argparse.ArgumentParser) -> None:
    """Add the option that says where AWS is asked."""
    group.add_argument("--region", help="AWS region [boto3's default chain]")


def _add_batch(group: _Group) -> None:
    group.add_argument("--workflow-queue", help="job queue of the workflow job")
    group.add_argument("--task-queue", help="job queue of task jobs")
    group.add_argument(
        "--task-queue-fallback", help="job queue of tasks that must not be interrupted (any more)"
    )
    group.add_argument("--fsap", help="EFS access point that all jobs mount, fsap-...")
    group.add_argument(
        "--no-efs",
        "--no-EFS",
        dest="efs",
        action="store_const",
        const=False,
        help="the hosts of EC2 compute environments mount another shared file system",
    )
    group.add_argument("--mount", help="where all jobs mount it [/mnt/efs; --no-efs: /mnt/net]")
    add_region(group)


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
        "--workflow-attempts", metavar="N", help="how often to begin when its host fails [3]"
    )
    group.add_argument(
        "--secret",
        dest="secrets",
        metavar="NAME=ARN",
        action="append",
        help="variable of the job with a value of AWS Secrets Manager or SSM (repeatable)",
    )
    group.add_argument(
        "--tag",
        dest="tags",
        metavar="KEY=VALUE",
        action="append",
        help="cost tag of the job and its task jobs (repeatable); {run}, {workflow}, {sample}, "
        "{owner} and, of task jobs, {call} stand for this run's",
    )
    _add_switches(group)


def _add_switches(group: _Group) -> None:
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


def _add_what_to_do(group: _Group) -> None:
    group.add_argument("-w", "--wait", action="store_true", help="wait for the workflow job")
    group.add_argument(
        "-f", "--follow", action="store_true", help="wait, and show the workflow's log"
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="print the requests as JSON, and send none of them",
    )
    group.add_argument(
        "--self-test",
        action="store_true",
        help="run a small workflow that tries everything out, and say what works (waits)",
    )
