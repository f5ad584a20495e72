"""Bringing a run directory to S3."""

import json
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import AwsAccessDeniedError, AwsError, PublicationError, printable
from miniwdl_aws.marker import update_marker
from miniwdl_aws.publish.plan import (
    ERROR,
    OUTPUTS,
    PlannedObject,
    PublicationPlan,
    plan_publication,
)
from miniwdl_aws.publish.upload import StoredObject, is_stored, put
from miniwdl_aws.s3 import delete_object, list_sizes, parse_uri, read_object

MANIFEST = ".miniwdl-aws-manifest.json"
"""The object that lists all others with sizes and checksums."""

ROUNDS = 3
"""How often objects are tried again that failed, beyond the client's own retries."""

THREADS = 16
PART_THREADS = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What was published.

    Attributes:
        uri: the folder on S3, ending in a slash.
        object_count: the objects of the run that are there, manifest and commit included.
        put_count: how many of them were put now; the others were there already, equal.
        byte_count: the size of all of them.
        outputs: the workflow's outputs with S3 URIs; None if the run failed.
        dangling: links in ``out`` that lead nowhere and were left out.
    """

    uri: str
    object_count: int
    put_count: int
    byte_count: int
    outputs: Mapping[str, Any] | None
    dangling: tuple[str, ...]


def publish_run(clients: AwsClients, run_dir: Path, uri: str) -> Publication:
    """Publish a run that has ended; on a complete publication, see that it is complete.

    Whether an object must be put is decided by its content. ``outputs.json`` (of a failed run
    ``error.json``) is put last: where it is, all else is. If another run's is there, it goes
    before the first object is put.

    Args:
        clients: where S3 is.
        run_dir: the run directory; its marker is told.
        uri: the folder on S3, ending in a slash.

    Raises:
        PublicationError: objects could not be put; it lists them.
        AwsError: S3 could not be asked at all.
    """
    planned = plan_publication(run_dir, uri)
    for link in planned.dangling:
        _log.warning("left out of the publication: %s/out/%s leads nowhere", run_dir, link)
    publisher = _Publisher(clients, uri)
    stored, put_count = publisher.publish(planned)
    update_marker(run_dir, published=uri)
    return Publication(
        uri=uri,
        object_count=len(stored),
        put_count=put_count,
        byte_count=sum(each.size for each in stored),
        outputs=planned.outputs,
        dangling=planned.dangling,
    )


def published_before(clients: AwsClients, uri: str) -> Publication | None:
    """See whether a run is completely published whose run directory is gone.

    Returns:
        What is there, by its manifest; None if something is missing.

    Raises:
        AwsError: S3 could not be asked.
    """
    bucket, prefix = parse_uri(uri)
    remote = list_sizes(clients, bucket, prefix)
    commit = next((name for name in (OUTPUTS, ERROR) if prefix + name in remote), None)
    if commit is None or prefix + MANIFEST not in remote:
        return None
    rows = json.loads(read_object(clients, bucket, prefix + MANIFEST))["objects"]
    if any(remote.get(prefix + row["key"]) != row["size"] for row in rows):
        return None
    outputs = json.loads(read_object(clients, bucket, prefix + commit))
    return Publication(
        uri=uri,
        object_count=len(rows) + 2,
        put_count=0,
        byte_count=sum(row["size"] for row in rows),
        outputs=outputs if commit == OUTPUTS else None,
        dangling=(),
    )


class _Publisher:
    def __init__(self, clients: AwsClients, uri: str) -> None:
        self._clients = clients
        self._uri = uri
        self._bucket, self._prefix = parse_uri(uri)

    def publish(self, planned: PublicationPlan) -> tuple[list[StoredObject], int]:
        remote = list_sizes(self._clients, self._bucket, self._prefix)
        with (
            ThreadPoolExecutor(THREADS, "miniwdl-aws-put") as pool,
            ThreadPoolExecutor(PART_THREADS, "miniwdl-aws-part") as part_pool,
        ):
            stored = self._compare(planned.objects, remote, pool)
            missing = [each for each in planned.objects if each.key not in stored]
            self._withdraw(remote, planned.commit.key, all_there=not missing)
            stored.update(self._put_all(missing, pool, part_pool))
            rows = [stored[each.key] for each in planned.objects]
            last = [_manifest(rows), planned.commit]
            there = {} if missing else self._compare(last, remote, pool)
            for each in last:
                if each.key not in there:
                    there.update(self._put_all([each], pool, part_pool))
                    missing.append(each)
        return [*rows, *there.values()], len(missing)

    def _compare(
        self, planned: Iterable[PlannedObject], remote: Mapping[str, int], pool: ThreadPoolExecutor
    ) -> dict[str, StoredObject]:
        """Find those that are there already, with the same content."""
        candidates = [each for each in planned if remote.get(self._prefix + each.key) == each.size]
        checksums = pool.map(
            lambda each: is_stored(self._clients, self._bucket, self._prefix + each.key, each),
            candidates,
        )
        return {
            each.key: StoredObject(each.key, each.size, checksum)
            for each, checksum in zip(candidates, checksums, strict=True)
            if checksum is not None
        }

    def _withdraw(self, remote: Mapping[str, int], commit: str, *, all_there: bool) -> None:
        """Delete the last object of an earlier publication before anything changes below it."""
        stale = {OUTPUTS, ERROR} if not all_there else {OUTPUTS, ERROR} - {commit}
        for name in sorted(stale):
            if self._prefix + name in remote:
                try:
                    delete_object(self._clients, self._bucket, self._prefix + name)
                except AwsAccessDeniedError as exc:
                    _log.warning("%s%s of an earlier publication remains: %s", self._uri, name, exc)

    def _put_all(
        self, planned: list[PlannedObject], pool: ThreadPoolExecutor, part_pool: ThreadPoolExecutor
    ) -> dict[str, StoredObject]:
        stored: dict[str, StoredObject] = {}
        failures: dict[str, Exception] = {}
        for _ in range(ROUNDS):
            waiting = [each for each in planned if each.key not in stored]
            if not waiting:
                break
            failures.clear()
            for each, outcome in zip(
                waiting, pool.map(lambda each: self._try(each, part_pool), waiting), strict=True
            ):
                if isinstance(outcome, StoredObject):
                    stored[each.key] = outcome
                else:
                    failures[each.key] = outcome
                    _log.warning("%s%s was not put: %s", self._uri, printable(each.key), outcome)
        if failures:
            raise _incomplete(self._uri, failures, len(planned))
        return stored

    def _try(
        self, planned: PlannedObject, part_pool: ThreadPoolExecutor
    ) -> "StoredObject | Exception":
        key = self._prefix + planned.key
        try:
            return put(self._clients, self._bucket, key, planned, part_pool)
        except (AwsError, PublicationError, OSError, ValueError) as exc:
            return exc


def _manifest(rows: list[StoredObject]) -> PlannedObject:
    objects = [
        {"key": each.key, "size": each.size, "checksum_sha256": each.checksum} for each in rows
    ]
    content = json.dumps({"protocol": 1, "objects": objects}, indent=1).encode() + b"\n"
    return PlannedObject(key=MANIFEST, content=content, size=len(content))


def _incomplete(uri: str, failures: Mapping[str, Exception], count: int) -> PublicationError:
    key, reason = next(iter(failures.items()))
    return PublicationError(
        f"{len(failures)} of {count} objects could not be put below {uri}; {key}: {reason}. "
        "Publish the run again with miniwdl-aws-publish; what is there already is kept.",
        tuple(failures),
    )
