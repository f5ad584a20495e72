"""Asks S3 for inputs: with credentials, and without for what is public."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import AwsAccessDeniedError, AwsCredentialsError
from miniwdl_aws.staging.objects import Folder, S3Object, folder_of, object_of, split

_Answer = TypeVar("_Answer")
_REFUSALS = (AwsAccessDeniedError, AwsCredentialsError)


class _Access:
    """One way to ask S3: a client, and what every request bears."""

    def __init__(self, s3: Any, **extra: str) -> None:
        self.s3 = s3
        self.extra = extra


class Store:
    """S3 as the inputs of a run see it; shared by all threads.

    A request that is refused is tried again without credentials, since a role may be kept from what
    everybody may read. What worked for a bucket comes first the next time.

    Args:
        clients: the AWS clients.
        requester_pays: whether requests and transfer may be charged to this account.
    """

    def __init__(self, clients: AwsClients, *, requester_pays: bool = False) -> None:
        payer = {"RequestPayer": "requester"} if requester_pays else {}
        self._signed: Callable[[], _Access] = lambda: _Access(clients.s3, **payer)
        self._public: Callable[[], _Access] = lambda: _Access(clients.public_s3)
        self._lock = threading.Lock()
        self._public_buckets: set[str] = set()

    def find(self, uri: str) -> S3Object:
        """Ask for an object.

        Raises:
            AwsError: there is none, or it may not be read.
        """
        bucket, key = split(uri)

        def ask(access: _Access) -> Any:
            with aws_errors("HeadObject", uri):
                return access.s3.head_object(
                    Bucket=bucket, Key=key, ChecksumMode="ENABLED", **access.extra
                )

        return object_of(bucket, key, self._either_way(bucket, ask))

    def find_folder(self, uri: str) -> Folder:
        """Ask for all objects below a prefix.

        Raises:
            AwsError: they may not be listed.
            StagingError: there are none, or they are no tree of files.
        """
        bucket, key = split(uri)
        prefix = f"{key.rstrip('/')}/" if key.rstrip("/") else ""

        def ask(access: _Access) -> list[Any]:
            pages = access.s3.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, **access.extra
            )
            with aws_errors("ListObjectsV2", f"s3://{bucket}/{prefix}"):
                return [each for page in pages for each in page.get("Contents", [])]

        return folder_of(bucket, prefix, self._either_way(bucket, ask))

    def read(self, content: S3Object, begin: int, end: int) -> Any:
        """Begin to read bytes of an object, if it is still the same.

        Returns:
            The answer of GetObject; its ``Body`` has yet to be read.

        Raises:
            AwsError: it has changed (code ``PreconditionFailed``), or may not be read.
        """

        def ask(access: _Access) -> Any:
            with aws_errors("GetObject", content.uri):
                return access.s3.get_object(
                    Bucket=content.bucket,
                    Key=content.key,
                    IfMatch=f'"{content.etag}"',
                    Range=f"bytes={begin}-{end - 1}",
                    **access.extra,
                )

        return self._either_way(content.bucket, ask)

    def first_part_bytes(self, content: S3Object) -> int:
        """Ask how large the first of the parts is in which an object was put.

        Raises:
            AwsError: it may not be read.
        """

        def ask(access: _Access) -> Any:
            with aws_errors("HeadObject", content.uri):
                return access.s3.head_object(
                    Bucket=content.bucket, Key=content.key, PartNumber=1, **access.extra
                )

        return int(self._either_way(content.bucket, ask)["ContentLength"])

    def _either_way(self, bucket: str, ask: Callable[[_Access], _Answer]) -> _Answer:
        ways = (self._signed, self._public)
        public_first = bucket in self._public_buckets
        first, second = ways[::-1] if public_first else ways
        try:
            return ask(first())
        except _REFUSALS as refusal:
            try:
                answer = ask(second())
            except _REFUSALS:
                raise refusal from refusal.__cause__
        with self._lock:
            (self._public_buckets.discard if public_first else self._public_buckets.add)(bucket)
        return answer
