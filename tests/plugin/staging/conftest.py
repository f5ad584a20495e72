"""An S3 that gives objects in parts, and goes wrong as it is told."""

import datetime as dt
import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ResponseStreamingError

from miniwdl_aws.staging.settings import StagingSettings
from miniwdl_aws.staging.stager import Stager
from miniwdl_aws.staging.store import Store
from miniwdl_aws.staging.transfer import Transfer

LONG_AGO = dt.datetime(2020, 5, 1, tzinfo=dt.UTC)


class Body(io.BytesIO):
    """A body that may break off."""

    def __init__(self, content: bytes, break_after: int | None) -> None:
        super().__init__(content[:break_after])
        self._broken = break_after is not None

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        if not chunk and self._broken:
            raise ResponseStreamingError(error="gone")
        return chunk


class FakeS3:
    """The S3 client; keys are of one bucket."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.more: dict[str, dict[str, Any]] = {}
        """What S3 tells of an object besides."""
        self.parts: dict[str, list[int]] = {}
        """The sizes of the parts in which an object was put."""
        self.errors: list[Exception] = []
        """What the next calls raise."""
        self.refuses: str = ""
        """The code with which every call is refused."""
        self.break_after: list[int] = []
        """After how many bytes the next bodies break off."""
        self.before_get: Callable[[], object] = lambda: None
        self.calls: list[tuple[str, str]] = []
        self.payers: set[str] = set()
        self._lock = threading.Lock()

    def _called(self, operation: str, what: str, more: dict[str, Any]) -> None:
        with self._lock:
            self.calls.append((operation, what))
            self.payers.add(more.get("RequestPayer", ""))
            if self.refuses:
                raise client_error(self.refuses, operation)
            if self.errors:
                raise self.errors.pop(0)

    def _entry(self, key: str) -> dict[str, Any]:
        content = self.objects[key]
        return {
            "ETag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"',
            "LastModified": LONG_AGO,
            **self.more.get(key, {}),
        }

    def head_object(self, *, Bucket: str, Key: str, **more: Any) -> Any:  # noqa: N803
        self._called("HeadObject", Key, more)
        if Key not in self.objects:
            raise client_error("404", "HeadObject")
        if (part := more.get("PartNumber")) and Key in self.parts:
            return {**self._entry(Key), "ContentLength": self.parts[Key][part - 1]}
        return {**self._entry(Key), "ContentLength": len(self.objects[Key])}

    def get_object(self, *, Bucket: str, Key: str, IfMatch: str, Range: str, **more: Any) -> Any:  # noqa: N803
        self.before_get()
        self._called("GetObject", Range, more)
        if self._entry(Key)["ETag"] != IfMatch:
            raise client_error("PreconditionFailed", "GetObject")
        begin, end = (int(each) for each in Range.removeprefix("bytes=").split("-"))
        with self._lock:
            broken = self.break_after.pop(0) if self.break_after else None
        body = Body(self.objects[Key][begin : end + 1], broken)
        return {"Body": body, **self.more.get(Key, {})}

    def get_paginator(self, _: str) -> "FakeS3":
        return self

    def paginate(self, *, Bucket: str, Prefix: str, **more: Any) -> Iterator[Any]:  # noqa: N803
        self._called("ListObjectsV2", Prefix, more)
        for key in sorted(self.objects):
            if key.startswith(Prefix):
                size = len(self.objects[key])
                yield {"Contents": [{**self._entry(key), "Key": key, "Size": size}]}


def client_error(code: str, operation: str) -> ClientError:
    status = {"SlowDown": 503, "404": 404}.get(code, 403)
    response: Any = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)


@pytest.fixture
def s3() -> FakeS3:
    """S3 as it is seen with credentials."""
    return FakeS3()


@pytest.fixture
def public_s3() -> FakeS3:
    """S3 as everybody sees it, who sees nothing."""
    fake = FakeS3()
    fake.refuses = "AccessDenied"
    return fake


@dataclass(frozen=True, eq=False)
class FakeClients:
    """The AWS clients."""

    s3: FakeS3
    public_s3: FakeS3
    region: str = "us-west-2"


@pytest.fixture
def clients(s3: FakeS3, public_s3: FakeS3) -> FakeClients:
    return FakeClients(s3, public_s3)


@pytest.fixture
def store(clients: Any) -> Store:
    return Store(clients)


@pytest.fixture
def transfer(store: Store) -> Iterator[Transfer]:
    with ThreadPoolExecutor(4) as pool:
        yield Transfer(store=store, pool=pool, sleep=lambda _: None)


@pytest.fixture
def stager(clients: Any, tmp_path: Path) -> Stager:
    return Stager(StagingSettings(cache=tmp_path / "cache", concurrency=4), clients)


@pytest.fixture
def make_error() -> Callable[[str], ClientError]:
    """Make what S3 refuses with, by its code."""
    return lambda code: client_error(code, "GetObject")
