"""Brings one object over, in parts, as often as it takes."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniwdl_aws.clients import aws_errors
from miniwdl_aws.errors import AwsError, AwsThrottledError, AwsUnavailableError, StagingError
from miniwdl_aws.staging.checks import mismatch, of_parts, of_whole
from miniwdl_aws.staging.objects import S3Object
from miniwdl_aws.staging.parts import Part, PartialFile, partial_file, parts
from miniwdl_aws.staging.store import Store

FRUITLESS_TRIES = 6
"""How many requests in a row may bring no byte; boto3 tries each several times by itself."""

_CHUNK = 2**20
_LONGEST_WAIT_SECONDS = 20.0
_CUT_SHORT = frozenset({"IncompleteReadError", "FlexibleChecksumError", "ResponseStreamingError"})
"""Codes of what befell a body that had begun to arrive."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What all transfers share.

    Attributes:
        store: where objects come from.
        pool: runs the parts; shared by all objects, so that it bounds what is under way.
        terminating: whether the process was asked to end.
        sleep: waits a number of seconds.
    """

    store: Store
    pool: Executor
    terminating: Callable[[], bool] = lambda: False
    sleep: Callable[[float], None] = time.sleep

    def bring(self, content: S3Object, making: Path, target: Path) -> None:
        """Bring an object to its place; nobody sees it there before it is complete and verified.

        Args:
            content: the object.
            making: the file in which it is made, if need be over several processes' lives.
            target: its place.

        Raises:
            AwsError: S3 refused it, or could not be asked.
            StagingError: what came is not what S3 told of.
            OSError: it could not be written.
        """
        with partial_file(making, content.size) as file:
            answer = self._fetch(content, file)
            # Nothing was asked for an empty object, and nothing of it can be damaged.
            if content.size and (different := self._damage(content, file, answer)):
                file.discard()
                raise StagingError(
                    content.uri,
                    f"arrived damaged: {different}",
                    remedy="Run again; what arrived was thrown away.",
                    category="damaged",
                )
            file.complete(target, content.modified)

    def _damage(self, content: S3Object, file: PartialFile, answer: Mapping[str, Any]) -> str:
        if whole := of_whole(content, answer):
            with file.reading() as reader:
                return mismatch(reader, whole)
        parts_ = of_parts(content, answer)
        if not parts_ or not (part_bytes := self._part_bytes(content)):
            _log.info("%s is verified by its size alone", content.uri)
            return ""
        with file.reading() as reader:
            return mismatch(reader, parts_, part_bytes)

    def _part_bytes(self, content: S3Object) -> int:
        """Ask in parts of which size an object was put; 0 if they differ, or nobody says."""
        try:
            first = self.store.first_part_bytes(content)
        except AwsError as exc:
            _log.info("the parts of %s are not known: %s", content.uri, exc)
            return 0
        return first if first and -(-content.size // first) == content.part_count else 0

    def _fetch(self, content: S3Object, file: PartialFile) -> Mapping[str, Any]:
        """Fetch what is not there.

        The last part is never written down, and always fetched: its answer tells how to verify.
        So a small object costs no book.
        """
        divided = parts(content.size)
        missing = [part for part in divided[:-1] if part.number not in file.done] + divided[-1:]
        if len(missing) < len(divided):
            _log.info(
                "%s is resumed: %d of %d parts are missing", content.uri, len(missing), len(divided)
            )
        if len(missing) == 1:
            return self._part(content, file, missing[0])
        answers = list(self.pool.map(lambda part: self._part(content, file, part), missing))
        return answers[-1] if answers else {}

    def _part(self, content: S3Object, file: PartialFile, part: Part) -> Mapping[str, Any]:
        """Fetch a part; a body that was cut short goes on where it ended."""
        offset, fruitless = part.begin, 0
        while True:
            try:
                with aws_errors("GetObject", content.uri):
                    answer: Mapping[str, Any] = self.store.read(content, offset, part.end)
                    for chunk in self._chunks(content, answer["Body"]):
                        file.write(chunk, offset)
                        offset, fruitless = offset + len(chunk), 0
                _refuse_cut_short(content, part.end - offset)
            except AwsError as exc:
                fruitless += 1
                if not _passes(exc) or fruitless >= FRUITLESS_TRIES:
                    raise
                _log.info("%s is asked for again: %s", content.uri, exc)
                self.sleep(min(0.25 * 2**fruitless, _LONGEST_WAIT_SECONDS))
            else:
                if part.end < content.size:
                    file.finish(part)
                return answer

    def _chunks(self, content: S3Object, body: Any) -> Iterator[bytes]:
        with contextlib.closing(body):
            while chunk := body.read(_CHUNK):
                if self.terminating():
                    raise StagingError(
                        content.uri,
                        "was not brought over: the run is being ended",
                        remedy="What has arrived is kept for the next run.",
                        category="ended",
                    )
                yield chunk


def _refuse_cut_short(content: S3Object, missing: int) -> None:
    if missing > 0:
        raise AwsUnavailableError(
            "GetObject", "IncompleteReadError", f"{missing} bytes are missing", resource=content.uri
        )


def _passes(exc: AwsError) -> bool:
    """Whether to ask again is of use."""
    return isinstance(exc, (AwsThrottledError, AwsUnavailableError)) or exc.code in _CUT_SHORT
