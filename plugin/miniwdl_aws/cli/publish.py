"""``miniwdl-aws-publish``: publishes a run directory to S3; safe to repeat."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from miniwdl_aws.cli.reporting import add_run_directory, failed, log_to_stderr, report
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.environment import process_environment
from miniwdl_aws.errors import ConfigurationError, MiniwdlAwsError, PublicationError
from miniwdl_aws.marker import default_run_root, is_inside
from miniwdl_aws.outcome import Outcome
from miniwdl_aws.publish import Publication, publish_run, published_before
from miniwdl_aws.s3 import publication_uri


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    args = _parser().parse_args(arguments)
    log_to_stderr()
    run_root = args.run_root or default_run_root(process_environment())
    try:
        publication = _publish(args.run_dir, run_root, args.s3upload, AwsClients())
    except (MiniwdlAwsError, OSError) as exc:
        outcome = failed(args.run_dir, exc)
    else:
        print(
            f"{publication.object_count} objects ({publication.byte_count} bytes) are published "
            f"at {publication.uri}; {publication.put_count} were put now",
            file=sys.stderr,
        )
        outcome = Outcome(
            exit_code=0,
            run_dir=str(args.run_dir),
            outputs=publication.outputs,
            published=publication.uri,
            object_count=publication.object_count,
        )
    report(outcome)
    return outcome.exit_code


def _publish(run_dir: Path, run_root: Path, target: str, clients: AwsClients) -> Publication:
    if not is_inside(run_dir, run_root):
        raise ConfigurationError(
            "RUN_DIR",
            f"is not below the folder of run directories {run_root}",
            value=str(run_dir),
            remedy="Name that folder with --run-root if it is another one.",
        )
    uri = publication_uri(target, run_dir.name)
    if run_dir.is_dir():
        return publish_run(clients, run_dir.resolve(), uri)
    found = published_before(clients, uri)
    if found is None:
        raise PublicationError(
            f"{run_dir} does not exist, and {uri} does not hold a complete publication of it"
        )
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="miniwdl-aws-publish",
        description="Publish a run directory to S3. What is there already with the same content "
        "is kept; outputs.json is put last.",
    )
    add_run_directory(parser)
    parser.add_argument(
        "--s3upload",
        metavar="URI",
        required=True,
        help="where to publish, s3://bucket/folder; the run's name is appended unless it ends in "
        "a slash",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
