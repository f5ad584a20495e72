"""`python -m demo`: assemble a small sample set through Airflow and the local AWS, and watch it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demo.airflow_services import RestError
from demo.processes import ServiceError
from miniwdl_aws.errors import MiniwdlAwsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 plus SIGINT's number."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration.

    Args:
        argv: the arguments; the process's own by default.

    Returns:
        The exit code: 0 only if every sample was assembled and every difference found.
    """
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep Airflow up until Ctrl-C")
    parser.add_argument("--port", type=int, default=0, help="port of the Airflow UI [a free one]")
    parser.add_argument(
        "--dir", type=Path, default=Path(".demo"), help="where everything lies [.demo]"
    )
    args = parser.parse_args(argv)
    _forget_aws_accounts()
    # Only now: this imports boto3, which reads the environment.
    from demo.demonstration import (  # noqa: PLC0415 - as above
        DemoFailedError,
        DemoSettings,
        run_demo,
    )

    settings = DemoSettings(
        directory=args.dir.resolve(), environ=os.environ, port=args.port, keep=args.keep
    )
    with ended_by_signals():
        try:
            run_demo(settings, say=_say)
        except (DemoFailedError, ServiceError, RestError, MiniwdlAwsError) as exc:
            print(f"\ndemo: {exc}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\ndemo: interrupted, everything is stopped", file=sys.stderr)
            return INTERRUPTED
    return 0


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demonstration as Ctrl-C does: everything is stopped first.

    Yields:
        While it is so.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _forget_aws_accounts() -> None:
    """Drop every AWS setting of the caller: a profile that is missing would stop boto3 here."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
