"""``miniwdl-aws-stage``: brings an input on S3 to the download cache; safe to repeat."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from miniwdl_aws.cli.reporting import log_to_stderr
from miniwdl_aws.errors import MiniwdlAwsError, StagingError
from miniwdl_aws.staging import open_stager
from miniwdl_aws.staging.settings import DEFAULT_CONCURRENCY, StagingSettings
from miniwdl_aws.staging.task_job import DENIED_EXIT_CODE, PROGRAM


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    args = _parser().parse_args(arguments)
    log_to_stderr()
    settings = StagingSettings(
        cache=args.cache,
        region=args.region,
        concurrency=args.concurrency,
        requester_pays=args.requester_pays,
    )
    try:
        stager = open_stager(settings)
        path = stager.stage(stager.find(args.uri, directory=args.directory))
    except MiniwdlAwsError as exc:
        print(f"{PROGRAM}: {exc}", file=sys.stderr)
        denied = isinstance(exc, StagingError) and exc.category == "denied"
        return DENIED_EXIT_CODE if denied else exc.process_exit_code
    print(path)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Bring an input on S3 to the download cache, unless the same content lies "
        "there, and print its path.",
        epilog=f"Exit codes: 0; {DENIED_EXIT_CODE} if S3 does not let it be read; 1 otherwise.",
    )
    parser.add_argument("uri", metavar="URI", help="s3://BUCKET/KEY")
    parser.add_argument("--directory", action="store_true", help="bring all objects below it")
    parser.add_argument(
        "--cache", metavar="DIR", type=Path, required=True, help="folder of the download cache"
    )
    parser.add_argument("--region", default="", help="region (default: boto3's)")
    parser.add_argument(
        "--concurrency",
        metavar="N",
        type=int,
        default=DEFAULT_CONCURRENCY,
        help=f"requests under way at once (default: {DEFAULT_CONCURRENCY})",
    )
    parser.add_argument(
        "--requester-pays", action="store_true", help="let requests be charged to this account"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
