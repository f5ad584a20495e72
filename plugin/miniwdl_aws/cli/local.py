"""``miniwdl-aws-local``: AWS on loopback, from a shell."""

import argparse
import json
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from miniwdl_aws.environment import (
    MISLEADING,
    environment_for,
    forget,
    process_environment,
)
from miniwdl_aws.local import LocalAws, LocalAwsError, LocalAwsSettings
from miniwdl_aws.local.endpoint.latency import parse_latency
from miniwdl_aws.local.endpoint.rates import RateScope, parse_rates
from miniwdl_aws.local.faults import KINDS, parse_fault, read_faults
from miniwdl_aws.local.settings import ExecutorKind, Isolation, Network

_DESCRIPTION = """\
Serve S3, EFS, CloudWatch Logs, STS, IAM, ECR, SQS, EventBridge and Batch on loopback,
and run Batch jobs for real.

Prints the environment that makes programs use it, then runs until SIGINT or SIGTERM:

  miniwdl-aws-local --root ~/aws >aws.env &     # later: . aws.env
  miniwdl-aws-local run -- COMMAND ...          # only while COMMAND runs
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="miniwdl-aws-local",
        description=_DESCRIPTION,
        epilog=_fault_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = LocalAwsSettings()
    parser.add_argument("--host", default=default.host, help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=default.port, help="port (0: a free one)")
    parser.add_argument(
        "--root", type=Path, help="state directory, kept; default: a temporary one, removed"
    )
    parser.add_argument("--region", default=default.region, help="AWS region (%(default)s)")
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="allow a --host that other machines reach: they can then run commands here",
    )
    parser.add_argument(
        "--programs",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="where jobs find programs first, may be repeated (those of the Python environment)",
    )
    parser.add_argument(
        "--isolation",
        choices=get_args(Isolation),
        default=default.isolation,
        help="how jobs are kept apart (%(default)s)",
    )
    parser.add_argument(
        "--mount-path",
        default=default.mount_path,
        help="where jobs mount the file system; counts only without namespaces (%(default)s)",
    )
    _add_executor(parser, default)
    _add_pacing(parser, default)
    _add_faults(parser, default)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--shell", action="store_true", help="print `export` lines (default)")
    form.add_argument("--json", action="store_true", help="print one line of JSON")
    commands = parser.add_subparsers(dest="subcommand", metavar="run")
    run = commands.add_parser("run", help="run a command with the local AWS, then stop")
    run.add_argument("command", nargs="+", help="the command, after --")
    return parser


def _add_executor(parser: argparse.ArgumentParser, default: LocalAwsSettings) -> None:
    parser.add_argument(
        "--executor",
        choices=get_args(ExecutorKind),
        default=default.executor,
        help="whether jobs run as processes, or in their images (%(default)s)",
    )
    parser.add_argument(
        "--docker-host",
        metavar="URL",
        help="where Docker or Podman listens (DOCKER_HOST, or else the one that is found)",
    )
    parser.add_argument(
        "--network",
        choices=get_args(Network),
        default=default.network,
        help="the containers' network; bridge needs a --host that it reaches (%(default)s)",
    )


def _add_pacing(parser: argparse.ArgumentParser, default: LocalAwsSettings) -> None:
    parser.add_argument(
        "--latency-ms",
        metavar="MS",
        default="0",
        help="time a Batch call takes: MS, uniform:LOW-HIGH or lognormal:MEDIAN/P99 (%(default)s)",
    )
    parser.add_argument(
        "--rates",
        default="documented",
        help="calls and launches let through: documented, none, or a list like "
        "batch:SubmitJob=50/50,logs:GetLogEvents=none,batch=100,fargate=20/100 (%(default)s)",
    )
    parser.add_argument(
        "--rate", type=float, help="calls a second each Batch operation takes, instead of --rates"
    )
    parser.add_argument("--burst", type=float, help="calls at once (default: as --rate)")
    parser.add_argument(
        "--rate-scope",
        choices=get_args(RateScope),
        default=default.rate_scope,
        help="whether --rate holds for each operation or for all together (%(default)s)",
    )
    parser.add_argument(
        "--start-delay",
        type=float,
        default=default.start_delay_seconds,
        metavar="SECONDS",
        help="from RUNNABLE to RUNNING (%(default)s)",
    )
    parser.add_argument(
        "--stop-timeout",
        type=float,
        default=default.stop_timeout_seconds,
        metavar="SECONDS",
        help="from SIGTERM to SIGKILL (%(default)s)",
    )
    parser.add_argument(
        "--job-retention",
        type=float,
        default=default.job_retention_seconds,
        metavar="SECONDS",
        help="how long ended jobs are kept (7 days)",
    )
    parser.add_argument(
        "--max-vcpus",
        type=int,
        default=default.max_vcpus,
        help="size of each compute environment (%(default)s)",
    )


def _add_faults(parser: argparse.ArgumentParser, default: LocalAwsSettings) -> None:
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[,KEY=VALUE...]",
        help="something that goes wrong (repeatable); the kinds are listed below",
    )
    parser.add_argument(
        "--faults",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a file of them: JSON, or TOML if its name ends in .toml (repeatable)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=default.seed,
        help="what faults and latencies are drawn from; the same seed repeats them (%(default)s)",
    )


def _fault_help() -> str:
    lines = [f"  {name:16} {kind.summary}" for name, kind in KINDS.items()]
    return "\n".join(
        [
            "kinds of faults, as in --fault spot-reclaim,job=align*,attempt=1,times=1:",
            *lines,
            "keys: service, operation, job, queue, attempt, status (which ones, with * and ?);",
            "  probability, skip, times (how often); delay (seconds), code, reason (how)",
        ]
    )


def _settings(arguments: argparse.Namespace) -> LocalAwsSettings:
    return LocalAwsSettings(
        host=arguments.host,
        port=arguments.port,
        root=arguments.root,
        allow_remote=arguments.allow_remote,
        region=arguments.region,
        mount_path=arguments.mount_path,
        program_dirs=tuple(arguments.programs),
        isolation=arguments.isolation,
        executor=arguments.executor,
        docker_host=arguments.docker_host,
        network=arguments.network,
        latency_ms=parse_latency(arguments.latency_ms),
        rates=parse_rates(arguments.rates),
        rate=arguments.rate,
        burst=arguments.burst,
        rate_scope=arguments.rate_scope,
        seed=arguments.seed,
        faults=(
            *map(parse_fault, arguments.fault),
            *(rule for path in arguments.faults for rule in read_faults(path)),
        ),
        start_delay_seconds=arguments.start_delay,
        stop_timeout_seconds=arguments.stop_timeout,
        max_vcpus=arguments.max_vcpus,
        job_retention_seconds=arguments.job_retention,
    )


def _note(text: str) -> None:
    print(f"miniwdl-aws-local: {text}", file=sys.stderr, flush=True)


def _introduce(aws: LocalAws) -> None:
    _note(f"listening on {aws.endpoint_url}, state in {aws.root}")
    _note(f"jobs run in {aws.isolation}; file system {aws.file_system_id} is {aws.efs_dir}")


def _print_environment(aws: LocalAws, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(aws.environment), flush=True)
        return
    print(f"unset {' '.join(MISLEADING)}")
    for name, value in aws.environment.items():
        print(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()


def _serve(aws: LocalAws, *, as_json: bool) -> int:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    with aws:
        _introduce(aws)
        _print_environment(aws, as_json=as_json)
        ended.wait()
        _note("stopping")
    return 0


def _run(aws: LocalAws, command: Sequence[str]) -> int:
    with aws:
        _introduce(aws)
        try:
            process = subprocess.Popen(  # noqa: S603 - the caller's own command
                command, env=environment_for(process_environment(), aws.environment)
            )
        except OSError as error:
            _note(f"cannot run {command[0]}: {error}")
            return 127
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, _: process.send_signal(received))
        code = process.wait()
    return code if code >= 0 else 128 - code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None for the program's own.

    Returns:
        The exit code: that of the command after ``run``, else 0, or 1 when it cannot start.
    """
    arguments = _parser().parse_args(argv)
    forget(*MISLEADING)
    try:
        aws = LocalAws(_settings(arguments))
        if arguments.subcommand == "run":
            return _run(aws, arguments.command)
        return _serve(aws, as_json=arguments.json)
    except LocalAwsError as error:
        _note(str(error))
        return error.process_exit_code
