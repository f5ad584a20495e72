"""``miniwdl-run-s3upload``: runs a workflow inside the workflow job and publishes it to S3."""

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial

from miniwdl_aws.cli.reporting import log_to_stderr, report
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.environment import process_environment
from miniwdl_aws.errors import MiniwdlAwsError
from miniwdl_aws.outcome import CallFailure, Outcome
from miniwdl_aws.settings import DELETE_AFTER

_EPILOG = """
All other arguments are those of `miniwdl run` and are handed on to it; see `miniwdl run --help`.
Its configuration file is the one of this package unless --cfg, MINIWDL_CFG or
~/.config/miniwdl.cfg names another. The last lines on standard error report the outcome to
whoever submitted the job.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    own, rest = _parser().parse_known_args(sys.argv[1:] if arguments is None else arguments)
    log_to_stderr()
    outcome = _run(own, rest)
    report(outcome)
    return outcome.exit_code


def _run(own: argparse.Namespace, rest: Sequence[str]) -> Outcome:
    from miniwdl_aws.runner.forked import in_child  # noqa: PLC0415  (not for --help)
    from miniwdl_aws.runner.options import read_options  # noqa: PLC0415  (as above)
    from miniwdl_aws.runner.process import (  # noqa: PLC0415  (as above)
        Cancellation,
        handling_signals,
    )
    from miniwdl_aws.runner.workflow import (  # noqa: PLC0415  (as above)
        failed_to_begin,
        run_workflow,
    )

    cancellation = Cancellation()
    try:
        with handling_signals(cancellation):
            options = in_child(partial(read_options, rest, vars(own), process_environment()))
            return run_workflow(options, AwsClients(), cancellation, show=print)
    except MiniwdlAwsError as exc:
        return failed_to_begin(exc)
    except Exception as exc:
        # Whatever happens, the submitter is told.
        logging.getLogger(__name__).exception("the runner failed")
        failure = CallFailure(error=type(exc).__name__, message=f"the runner failed: {exc}")
        return Outcome(exit_code=1, failure=failure)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="miniwdl-run-s3upload",
        usage="%(prog)s [--s3upload URI] [--delete-after WHEN] [--task-queue QUEUE] "
        "WDL [argument of miniwdl run ...]",
        description="Run a workflow with miniwdl and publish its outputs to S3.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--s3upload",
        metavar="URI",
        help="where to publish, s3://bucket/folder; the run's name is appended unless it ends in "
        "a slash [MINIWDL__AWS__S3_UPLOAD_FOLDER]",
    )
    parser.add_argument(
        "--delete-after",
        metavar="WHEN",
        help=f"delete the run directory once published, after which outcome: "
        f"{', '.join(DELETE_AFTER)} [MINIWDL__AWS__DELETE_AFTER_S3_UPLOAD]",
    )
    parser.add_argument(
        "--task-queue",
        metavar="QUEUE",
        help="job queue of the task jobs [MINIWDL__AWS__TASK_QUEUE]",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
