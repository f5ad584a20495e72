"""``miniwdl`` as a workflow job runs it.

What it looks up for every task is looked up once: for each task miniwdl asks which plugins there
are, and Python then reads a file of every installed distribution. Each file read hands the
interpreter to another thread; with 1,000 tasks at once that kept the first job from being submitted
for 5 to 8 s, and took a third of the process's CPU time. Nothing is installed while a workflow
runs, so the first answer holds.

And what it says of a failed download has the reason, which it else keeps to its log.
"""

import functools
import importlib.metadata


def remember_entry_points() -> None:
    """Let `importlib.metadata.entry_points` look at what is installed once for each question."""
    known = functools.cache(importlib.metadata.entry_points)
    importlib.metadata.entry_points = known  # type: ignore[assignment]


def tell_why_downloads_fail() -> None:
    """Let miniwdl's `DownloadFailed`, which names the URI alone, end with what caused it."""
    from WDL.runtime.error import DownloadFailed  # noqa: PLC0415  (it imports miniwdl)

    plain = DownloadFailed.__str__

    def with_reason(error: DownloadFailed) -> str:
        reason = str(error.__cause__ or "")
        return f"{plain(error)}: {reason}" if reason else plain(error)

    DownloadFailed.__str__ = with_reason  # type: ignore[method-assign,assignment]


def main() -> None:
    """Run miniwdl's command line."""
    remember_entry_points()
    from WDL import CLI  # noqa: PLC0415  (it may look for plugins as it is imported)

    from miniwdl_aws.runner.tuning import tune  # noqa: PLC0415  (it imports miniwdl)

    tune()
    tell_why_downloads_fail()
    CLI.main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
