"""``miniwdl-aws-clean``: deletes a run directory that is published; safe to repeat."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from miniwdl_aws.cleanup import delete_run_dir
from miniwdl_aws.cli.run_s3upload import report
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.environment import process_environment
from miniwdl_aws.errors import MiniwdlAwsError
from miniwdl_aws.marker import default_run_root
from miniwdl_aws.outcome import CallFailure, Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    args = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    run_root = args.run_root or default_run_root(process_environment())
    try:
        deleted = delete_run_dir(
            args.run_dir,
            run_root,
            clients=AwsClients(),
            published=args.published or "",
            force=args.force,
        )
    except (MiniwdlAwsError, OSError) as exc:
        code = exc.process_exit_code if isinstance(exc, MiniwdlAwsError) else 1
        failure = CallFailure(error=type(exc).__name__, message=str(exc))
        outcome = Outcome(exit_code=code, run_dir=str(args.run_dir), failure=failure)
    else:
        said = "deleted" if deleted else "was deleted already"
        print(f"{args.run_dir} {said}", file=sys.stderr)
        outcome = Outcome(
            exit_code=0, run_dir=str(args.run_dir), published=args.published or "", deleted=True
        )
    report(outcome)
    return outcome.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="miniwdl-aws-clean",
        description="Delete a run directory: only one that miniwdl-run-s3upload made, and that is "
        "completely published to S3.",
    )
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path, help="the run directory")
    parser.add_argument(
        "--published",
        metavar="URI",
        help="the folder on S3 where it is published (default: what the directory's marker says)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="delete it even if it is not published, or its run has not ended",
    )
    parser.add_argument(
        "--run-root",
        metavar="DIR",
        type=Path,
        help="the folder of run directories (default: miniwdl_run on the shared file system)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
