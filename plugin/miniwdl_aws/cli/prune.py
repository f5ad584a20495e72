"""``miniwdl-aws-prune``: deregisters the job definitions that runs have left behind."""

import argparse
import sys
from collections.abc import Sequence

from miniwdl_aws.cli.submit_options import add_region
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.definitions import active_definitions, deregister
from miniwdl_aws.errors import MiniwdlAwsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    args = _parser().parse_args(arguments)
    try:
        clients = AwsClients(region=args.region)
        for arn in list(active_definitions(clients)):
            if not args.dry_run:
                deregister(clients, arn)
            print(arn)
    except MiniwdlAwsError as exc:
        print(f"miniwdl-aws-prune: {exc}", file=sys.stderr)
        return exc.process_exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="miniwdl-aws-prune",
        description="Deregister the job definitions that runs have left behind, and print their "
        "ARNs. Runs under way are not disturbed: what one needs again is registered again.",
    )
    add_region(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be deregistered, and leave it"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
