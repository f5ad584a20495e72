"""``miniwdl-aws-clean``: deletes a run directory that is published; safe to repeat."""

import argparse
import sys
from collections.abc import Sequence

from miniwdl_aws.cleanup import delete_run_dir
from miniwdl_aws.cli.reporting import add_run_directory, failed, log_to_stderr, report
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.environment import process_environment
from miniwdl_aws.errors import MiniwdlAwsError
from miniwdl_aws.marker import default_run_root
from miniwdl_aws.outcome import Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    args = _parser().parse_args(arguments)
    log_to_stderr()
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
        outcome = failed(args.run_dir, exc)
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
    add_run_directory(parser)
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
