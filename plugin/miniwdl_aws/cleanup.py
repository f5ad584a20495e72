"""Deleting run directories, and nothing else."""

import logging
import shutil
from pathlib import Path

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import AwsNotFoundError, CleanupRefusedError
from miniwdl_aws.marker import MARKER_FILE, Marker, UnreadableMarkerError, is_inside, read_marker
from miniwdl_aws.pointers import Owner, unpoint
from miniwdl_aws.s3 import parse_uri, stat_object

COMMIT_OBJECTS = {"succeeded": "outputs.json", "failed": "error.json", "cancelled": "error.json"}
"""The object that is written last when a run of that state is published."""

_log = logging.getLogger(__name__)


def delete_run_dir(
    run_dir: Path, run_root: Path, *, clients: AwsClients, published: str = "", force: bool = False
) -> bool:
    """Delete a run directory.

    Args:
        run_dir: the directory.
        run_root: the folder of run directories; nothing outside it is ever deleted.
        clients: where to see that the run is published.
        published: the S3 URI under which it should be; what its marker says if not given.
        force: whether to delete it unpublished, still running, or not made for one run alone. It
            must bear our marker all the same.

    Returns:
        False if it was gone already.

    Raises:
        CleanupRefusedError: it may not be deleted.
        AwsError: S3 could not be asked.
    """
    inside = _inside(run_dir, run_root)
    if not inside.exists():
        return False
    marker = _marker(inside)
    if not force:
        _refuse_running(inside, marker)
        _refuse_unpublished(inside, marker, clients, published or marker.published)
    _delete(inside)
    owner = Owner(job_id=marker.job_id, run_key=marker.run_key)
    unpoint(inside.parent, owner, inside.name)
    _log.info("deleted %s", inside)
    return True


def _inside(run_dir: Path, run_root: Path) -> Path:
    """Resolve a directory, links and all, and see that it lies below the root."""
    if not is_inside(run_dir, run_root):
        raise CleanupRefusedError(
            f"{run_dir} is not deleted: it is not below the folder of run directories {run_root}. "
            "Name that folder with --run-root if it is another one."
        )
    return run_dir.resolve()


def _marker(directory: Path) -> Marker:
    try:
        marker = read_marker(directory)
    except UnreadableMarkerError as exc:
        raise CleanupRefusedError(f"{directory} is not deleted: {exc}") from exc
    if marker is None:
        raise CleanupRefusedError(
            f"{directory} is not deleted: it holds no {MARKER_FILE}, so it was not made by "
            "miniwdl-run-s3upload. Delete it by other means if it is no longer needed."
        )
    return marker


def _refuse_running(directory: Path, marker: Marker) -> None:
    if marker.state == "running":
        job = f" by job {marker.job_id}" if marker.job_id else ""
        raise CleanupRefusedError(
            f"{directory} is not deleted: its run{job} has not ended. If that job is no longer "
            "alive, use --force."
        )
    if not marker.exclusive:
        raise CleanupRefusedError(
            f"{directory} is not deleted: it held other files before its run began. Delete what "
            "the run made by hand, or use --force to delete everything in it."
        )


def _refuse_unpublished(
    directory: Path, marker: Marker, clients: AwsClients, published: str
) -> None:
    if not published:
        raise CleanupRefusedError(
            f"{directory} is not deleted: it has not been published to S3. Publish it with "
            "miniwdl-aws-publish, or use --force."
        )
    bucket, prefix = parse_uri(published.rstrip("/") + "/")
    commit = COMMIT_OBJECTS[marker.state]
    try:
        stat_object(clients, bucket, prefix + commit)
    except AwsNotFoundError:
        raise CleanupRefusedError(
            f"{directory} is not deleted: there is no {commit} in {published}, which is written "
            "last when a run is published. Publish it again with miniwdl-aws-publish, or use "
            "--force."
        ) from None


def _delete(directory: Path) -> None:
    """Delete a directory without following links, the marker last: it can be taken up again."""
    marker = directory / MARKER_FILE
    for entry in directory.iterdir():
        if entry == marker:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    marker.unlink(missing_ok=True)
    directory.rmdir()
