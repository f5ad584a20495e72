"""What the programs inside a job share: their log, their arguments, their last words."""

import argparse
import logging
import sys
from pathlib import Path

from miniwdl_aws.errors import MiniwdlAwsError
from miniwdl_aws.outcome import CallFailure, Outcome, encode


def log_to_stderr() -> None:
    """Let the package's log lines stand in the job's log."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)


def add_run_directory(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a program that works on one run directory."""
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path, help="the run directory")
    parser.add_argument(
        "--run-root",
        metavar="DIR",
        type=Path,
        help="the folder of run directories (default: miniwdl_run on the shared file system)",
    )


def failed(run_dir: Path, exc: Exception) -> Outcome:
    """Make the outcome of a program that an error has ended."""
    return Outcome(
        exit_code=exc.process_exit_code if isinstance(exc, MiniwdlAwsError) else 1,
        run_dir=str(run_dir),
        failure=CallFailure(error=type(exc).__name__, message=str(exc)),
    )


def report(outcome: Outcome) -> None:
    """Write an outcome as the last lines of the log, after everything else."""
    sys.stdout.flush()
    if outcome.failure is not None and outcome.failure.message:
        print(f"FAILED: {outcome.failure.message}", file=sys.stderr)
    for line in encode(outcome):
        print(line, file=sys.stderr)
    sys.stderr.flush()
