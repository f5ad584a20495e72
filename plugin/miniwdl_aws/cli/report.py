"""``miniwdl-aws-report``: says what a run did and used."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from miniwdl_aws.errors import InvalidInputError, MiniwdlAwsError
from miniwdl_aws.report import REPORT_FILE, as_document, read_run
from miniwdl_aws.report.model import SCHEMA_VERSION
from miniwdl_aws.report.tables import as_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    args = _parser().parse_args(arguments)
    try:
        document = _from_file(args.run) if args.run.is_file() else _from_directory(args.run)
    except MiniwdlAwsError as exc:
        print(f"miniwdl-aws-report: {exc}", file=sys.stderr)
        return exc.process_exit_code
    lines = [json.dumps(document, indent=2)] if args.json else as_lines(document)
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has enough; Python would complain again as it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _from_directory(run_dir: Path) -> Mapping[str, Any]:
    """Read a run directory anew; only the exit code is known to the report of its end alone."""
    exit_code = None
    if (run_dir / REPORT_FILE).is_file():
        exit_code = _from_file(run_dir / REPORT_FILE)["run"]["exit_code"]
    return as_document(read_run(run_dir.absolute(), exit_code=exit_code))


def _from_file(path: Path) -> Mapping[str, Any]:
    try:
        document: Any = json.loads(path.read_text())
        version = document["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidInputError(f"{path} is no run report: {exc}") from exc
    if version != SCHEMA_VERSION:
        raise InvalidInputError(
            f"{path} is a run report of schema version {version}; this version of miniwdl-aws "
            f"reads {SCHEMA_VERSION}"
        )
    found: Mapping[str, Any] = document
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="miniwdl-aws-report",
        description="Say what a run did and used: its calls and attempts, what they asked for and "
        "what they used, and why they were not in the call cache. AWS is not asked.",
    )
    parser.add_argument(
        "run", type=Path, metavar="RUN", help=f"the run directory, or a {REPORT_FILE}"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
