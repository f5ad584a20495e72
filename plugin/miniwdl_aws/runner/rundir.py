"""Making the run directory, before miniwdl starts and whatever becomes of it."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.heads import RunPlace
from miniwdl_aws.marker import Marker, write_marker
from miniwdl_aws.runner.options import RunOptions
from miniwdl_aws.settings import is_below

_COMMENT = re.compile(r"#.*")
_TARGETS = (
    re.compile(r"^\s*workflow\s+(\w+)", re.MULTILINE),
    re.compile(r"^\s*task\s+(\w+)", re.MULTILINE),
)


def provision(options: RunOptions, name: str, *, now: Callable[[], float] = time.time) -> Path:
    """Make the run directory and mark it as ours.

    It is named as miniwdl names its own, ``<date>_<time>_<workflow>``; a number is appended where
    two runs of one name begin in the same second.

    Args:
        options: where it shall be.
        name: the workflow's name.
        now: seconds since the epoch.

    Raises:
        ConfigurationError: it cannot be made there.
    """
    _refuse_outside(options)
    started = datetime.fromtimestamp(now(), UTC)
    try:
        if options.exactly:
            run_dir = options.directory
            run_dir.mkdir(parents=True, exist_ok=True)
        else:
            options.directory.mkdir(parents=True, exist_ok=True)
            run_dir = _make(options.directory, f"{started:%Y%m%d_%H%M%S}_{name}")
        write_marker(
            run_dir,
            Marker(
                state="running",
                job_id=options.job_id,
                run_key=options.run_key,
                created=started.isoformat(timespec="seconds"),
                exclusive=not any(run_dir.iterdir()),
            ),
        )
    except OSError as exc:
        raise ConfigurationError(
            "--dir",
            f"cannot hold a run directory: {exc.strerror}",
            value=str(options.directory),
            remedy="Check that the shared file system is mounted there, and that its access "
            "point lets this job write.",
        ) from exc
    return run_dir


def make_mailbox(place: RunPlace) -> None:
    """Make the folder where all task jobs of a run leave their signs."""
    mailbox = place.mailbox
    mailbox.mkdir(parents=True, exist_ok=True)
    # miniwdl gives what tasks write to their group too, since their user may be another.
    mailbox.chmod(0o770)


def target_name(source: str, task: str | None, fallback: str) -> str:
    r"""Find the name of what a WDL source runs, without checking it.

    Args:
        source: the text of the main WDL file.
        task: the task that is asked for, if one is.
        fallback: the name if the source does not tell.

    >>> target_name("version 1.1\nworkflow align {", None, "x")
    'align'
    """
    if task:
        return task
    text = _COMMENT.sub("", source)
    for pattern in _TARGETS:
        if found := pattern.search(text):
            return found[1]
    return re.sub(r"\W+", "_", fallback) or "workflow"


def _make(parent: Path, name: str) -> Path:
    for suffix in ("", *(f"_{number}" for number in range(2, 10_000))):
        run_dir = parent / (name + suffix)
        try:
            run_dir.mkdir()
        except FileExistsError:
            continue
        return run_dir
    raise FileExistsError(17, "too many runs of this name began in this second")


def _refuse_outside(options: RunOptions) -> None:
    root = options.root
    if root != Path("/") and not root.is_dir():
        raise ConfigurationError(
            "[file_io] root",
            "does not exist: the shared file system is not mounted",
            value=str(root),
            source="miniwdl's configuration, or the variable MINIWDL__FILE_IO__ROOT",
            remedy="Mount it there in the job definition, or set the variable to where it is.",
        )
    if not is_below(str(options.directory), str(root)):
        raise ConfigurationError(
            "--dir",
            f"is not below the mount point {root}",
            value=str(options.directory),
            remedy=f"Run directories lie on the shared file system: use {root}/… .",
        )
