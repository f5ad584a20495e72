"""Stages whole inputs: finds what S3 has, and brings over what is not there."""

import dataclasses
import functools
import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from WDL._util import bump_atime

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import AwsError, StagingError
from miniwdl_aws.staging.failures import explain
from miniwdl_aws.staging.flights import Flights
from miniwdl_aws.staging.objects import Folder, S3Object
from miniwdl_aws.staging.places import Place, place
from miniwdl_aws.staging.settings import StagingSettings
from miniwdl_aws.staging.store import Store
from miniwdl_aws.staging.transfer import Transfer


class Stager:
    """Stages inputs below the download cache; shared by all threads.

    Args:
        settings: how.
        clients: the AWS clients.
    """

    def __init__(self, settings: StagingSettings, clients: AwsClients) -> None:
        self.settings = settings
        self.clients = clients
        self._store = Store(clients, requester_pays=settings.requester_pays)
        self._files = ThreadPoolExecutor(settings.concurrency, "s3-file")
        # Files of folders wait for their parts, so these need threads of their own.
        parts = ThreadPoolExecutor(settings.concurrency, "s3-part")
        self._transfer = Transfer(store=self._store, pool=parts)
        self._flights: Flights[Path] = Flights()
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, bool], S3Object | Folder] = {}

    def look(self, uri: str, *, directory: bool) -> S3Object | Folder:
        """Ask S3 for an input, and keep the answer for the next `find` of it.

        Raises:
            StagingError: it is not there, or may not be read.
        """
        with _explained(uri, self.settings.cache):
            find = self._store.find_folder if directory else self._store.find
            content = find(uri)
        with self._lock:
            self._seen[uri, directory] = content
        return content

    def find(self, uri: str, *, directory: bool) -> S3Object | Folder:
        """Take what `look` has left, or else ask S3.

        Raises:
            StagingError: it is not there, or may not be read.
        """
        with self._lock:
            if (seen := self._seen.pop((uri, directory), None)) is not None:
                return seen
        content = self.look(uri, directory=directory)
        with self._lock:
            self._seen.pop((uri, directory), None)
        return content

    def kept(self, content: S3Object | Folder) -> Path | None:
        """Give where an input lies already; None if it does not."""
        path = place(self.settings.cache, content).path
        if isinstance(content, S3Object):
            there = path.is_file() and path.stat().st_size == content.size
        else:
            there = path.is_dir()
        if not there:
            return None
        bump_atime(str(path))
        return path

    def look_at_all(self, inputs: Sequence[tuple[str, bool]]) -> list[S3Object | Folder]:
        """Do `look` for many inputs at once, each a URI and whether it is a directory."""
        return list(self._files.map(lambda each: self.look(each[0], directory=each[1]), inputs))

    def stage(
        self, content: S3Object | Folder, terminating: Callable[[], bool] = lambda: False
    ) -> Path:
        """Give where an input lies, once it does.

        Args:
            content: the input.
            terminating: whether the process was asked to end.

        Raises:
            StagingError: it could not be brought over.
        """
        target = place(self.settings.cache, content)
        transfer = dataclasses.replace(self._transfer, terminating=terminating)
        return self._flights.do(str(target.path), lambda: self._stage(content, target, transfer))

    def _stage(self, content: S3Object | Folder, target: Place, transfer: Transfer) -> Path:
        if (path := self.kept(content)) is not None:
            return path
        try:
            with _explained(content.uri, self.settings.cache):
                self._make(content, target, transfer)
        except StagingError:
            # Another process that made the same may have taken it away when it was complete.
            if self.kept(content) is None:
                raise
        shutil.rmtree(target.making, ignore_errors=True)
        return target.path

    def _make(self, content: S3Object | Folder, target: Place, transfer: Transfer) -> None:
        if isinstance(content, S3Object):
            transfer.bring(content, target.making / "file", target.path)
        else:
            self._stage_folder(content, target, transfer)

    def _stage_folder(self, folder: Folder, target: Place, transfer: Transfer) -> None:
        tree = target.making / "tree"
        for path in ("", *folder.folders):
            (tree / path).mkdir(parents=True, exist_ok=True)
        bring = functools.partial(_stage_member, tree, target, transfer)
        _all_or_none([self._files.submit(bring, each) for each in folder.objects.items()])
        target.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            tree.rename(target.path)
        except OSError:
            # Another process has made the same folder.
            if not target.path.is_dir():
                raise


def _all_or_none(futures: Sequence[Future[None]]) -> None:
    """Wait for all; if one fails, begin no more, and let none go on behind the failure."""
    _, pending = wait(futures, return_when=FIRST_EXCEPTION)
    for each in pending:
        each.cancel()
    wait(futures)
    for each in futures:
        if not each.cancelled():
            each.result()


def _stage_member(
    tree: Path, target: Place, transfer: Transfer, member: tuple[str, S3Object]
) -> None:
    """Bring a file of a folder over, unless an earlier process has."""
    path, content = member
    file = tree / path
    if target.path.is_dir() or (file.is_file() and file.stat().st_size == content.size):
        return
    making = target.making / "parts" / hashlib.sha256(path.encode()).hexdigest()[:40]
    transfer.bring(content, making, file)


@contextmanager
def _explained(uri: str, cache: Path) -> Iterator[None]:
    try:
        yield
    except (AwsError, OSError) as exc:
        raise explain(uri, exc, cache) from exc


@functools.lru_cache(maxsize=1)
def _opened(settings: StagingSettings) -> Stager:
    return Stager(settings, AwsClients(region=settings.region or None))


_opening = threading.Lock()


def open_stager(settings: StagingSettings) -> Stager:
    """Give the stager of this process: miniwdl calls downloaders, and makes none.

    The same one in all threads, so that what several ask for is fetched once.
    """
    with _opening:
        return _opened(settings)
