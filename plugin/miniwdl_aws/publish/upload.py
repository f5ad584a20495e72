"""Putting objects so that S3 itself verifies their content."""

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import PublicationError
from miniwdl_aws.publish.checksums import (
    Part,
    composite,
    content_checksum,
    encode,
    file_checksum,
    parts,
    same,
)
from miniwdl_aws.publish.plan import PlannedObject
from miniwdl_aws.s3 import stat_object


@dataclass(frozen=True)
class StoredObject:
    """An object that was seen to be on S3 with the right content: key, bytes, checksum."""

    key: str
    size: int
    checksum: str


def local_checksum(planned: PlannedObject) -> str:
    """Give the checksum that an object must have on S3."""
    if planned.path is None:
        return content_checksum(planned.content)
    return file_checksum(planned.path, planned.size)


def is_stored(clients: AwsClients, bucket: str, key: str, planned: PlannedObject) -> str | None:
    """Compare an object on S3 with what it should be.

    Returns:
        Its checksum if it is the same; None if it is not, or bears no SHA-256.
    """
    answer = stat_object(clients, bucket, key)
    expected = local_checksum(planned)
    if answer["ContentLength"] != planned.size or not same(answer.get("ChecksumSHA256"), expected):
        return None
    return expected


def put(
    clients: AwsClients, bucket: str, key: str, planned: PlannedObject, part_pool: Executor
) -> StoredObject:
    """Put an object and see that S3 holds it.

    S3 computes the SHA-256 of what it receives and refuses what differs from the one sent along;
    its answer must bear the same again.

    Raises:
        PublicationError: S3 holds something else, or the file changed meanwhile.
        AwsError: S3 refused it, or could not be asked.
    """
    divided = parts(planned.size)
    if len(divided) == 1:
        content = planned.content if planned.path is None else _read(planned.path, divided[0])
        checksum = content_checksum(content)
        answer = _put_whole(clients, bucket, key, content, checksum)
    else:
        checksum = _put_parts(clients, bucket, key, planned, divided, part_pool)
        answer = stat_object(clients, bucket, key)
    stored = answer.get("ChecksumSHA256")
    if not same(stored, checksum):
        raise PublicationError(
            f"s3://{bucket}/{key} has the SHA-256 {stored}, not {checksum}", (key,)
        )
    return StoredObject(planned.key, planned.size, checksum)


def _put_whole(
    clients: AwsClients, bucket: str, key: str, content: bytes, checksum: str
) -> Mapping[str, Any]:
    with aws_errors("PutObject", f"s3://{bucket}/{key}"):
        return clients.s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=content,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum,
        )


def _put_parts(
    clients: AwsClients,
    bucket: str,
    key: str,
    planned: PlannedObject,
    divided: list[Part],
    part_pool: Executor,
) -> str:
    with aws_errors("CreateMultipartUpload", f"s3://{bucket}/{key}"):
        upload = clients.s3.create_multipart_upload(
            Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE"
        )
    target = {"Bucket": bucket, "Key": key, "UploadId": upload["UploadId"]}
    path = planned.path or Path()
    try:
        done = list(part_pool.map(lambda part: _put_part(clients, target, path, part), divided))
        listed: list[Any] = [part for part, _ in done]
        checksum = composite([digest for _, digest in done])
        with aws_errors("CompleteMultipartUpload", f"s3://{bucket}/{key}"):
            clients.s3.complete_multipart_upload(
                **target,  # type: ignore[arg-type]
                MultipartUpload={"Parts": listed},
            )
    except BaseException:
        with aws_errors("AbortMultipartUpload", f"s3://{bucket}/{key}"):
            clients.s3.abort_multipart_upload(**target)  # type: ignore[arg-type]
        raise
    return checksum


def _put_part(
    clients: AwsClients, target: Mapping[str, str], path: Path, part: Part
) -> tuple[dict[str, Any], bytes]:
    content = _read(path, part)
    digest = hashlib.sha256(content).digest()
    checksum = encode(digest)
    with aws_errors("UploadPart", f"s3://{target['Bucket']}/{target['Key']}"):
        answer = clients.s3.upload_part(
            **target,  # type: ignore[arg-type]
            PartNumber=part.number,
            Body=content,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum,
        )
    entry = {"PartNumber": part.number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}
    return entry, digest


def _read(path: Path, part: Part) -> bytes:
    with path.open("rb") as file:
        content = os.pread(file.fileno(), part.size, part.offset)
    if len(content) != part.size:
        raise PublicationError(f"{path} became shorter while it was published")
    return content
