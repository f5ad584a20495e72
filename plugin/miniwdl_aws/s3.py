"""The few things done with S3, on one shared client."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import AwsAccessDeniedError, AwsError, ConfigurationError

_log = logging.getLogger(__name__)

_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)


def parse_uri(uri: str) -> tuple[str, str]:
    """Split an S3 URI into bucket and key.

    >>> parse_uri("s3://bucket/a/b")
    ('bucket', 'a/b')

    Raises:
        ConfigurationError: it is no S3 URI.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise ConfigurationError(
            "s3upload", "is no S3 URI", value=uri, remedy="Give s3://BUCKET/PREFIX."
        )
    return match[1], match[2] or ""


def publication_uri(target: str, run_name: str) -> str:
    """Give the folder on S3 of a run: the run's name is appended unless the target ends in "/".

    >>> publication_uri("s3://bucket/runs", "20260101_000000_wf")
    's3://bucket/runs/20260101_000000_wf/'
    """
    return target if target.endswith("/") else f"{target}/{run_name}/"


def check_writable(clients: AwsClients, uri: str) -> None:
    """See that objects can be put below a URI, and leave nothing there.

    A multipart upload is begun and given up: it asks for the same permissions as an object,
    including those on the bucket's key.

    Raises:
        ConfigurationError: nothing can be put there; the message says why.
    """
    bucket, prefix = parse_uri(uri)
    key = f"{prefix.rstrip('/')}/outputs.json".lstrip("/")
    try:
        with aws_errors("CreateMultipartUpload", uri):
            upload = clients.s3.create_multipart_upload(Bucket=bucket, Key=key)
    except AwsError as exc:
        raise ConfigurationError(
            "s3upload",
            f"cannot be written: {exc}",
            value=uri,
            remedy="Correct the URI (--s3upload, MINIWDL__AWS__S3_UPLOAD_FOLDER), or let the "
            "workflow role put objects there.",
        ) from exc
    try:
        with aws_errors("AbortMultipartUpload", uri):
            clients.s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])
    except AwsAccessDeniedError as exc:
        _log.warning("an empty multipart upload of %s remains: %s", uri, exc)


def stat_object(clients: AwsClients, bucket: str, key: str) -> Mapping[str, Any]:
    """Ask for an object's size and checksum.

    Raises:
        AwsNotFoundError: there is none.
    """
    with aws_errors("HeadObject", f"s3://{bucket}/{key}"):
        return clients.s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")


def list_sizes(clients: AwsClients, bucket: str, prefix: str) -> dict[str, int]:
    """Give the size of every object below a prefix, by key."""
    pages = clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    with aws_errors("ListObjectsV2", f"s3://{bucket}/{prefix}"):
        return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}


def read_object(clients: AwsClients, bucket: str, key: str) -> bytes:
    """Read an object."""
    with aws_errors("GetObject", f"s3://{bucket}/{key}"):
        return clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def write_object(clients: AwsClients, bucket: str, key: str, content: bytes) -> None:
    """Put a small object."""
    with aws_errors("PutObject", f"s3://{bucket}/{key}"):
        clients.s3.put_object(Bucket=bucket, Key=key, Body=content, ChecksumAlgorithm="SHA256")


def delete_object(clients: AwsClients, bucket: str, key: str) -> None:
    """Delete an object."""
    with aws_errors("DeleteObject", f"s3://{bucket}/{key}"):
        clients.s3.delete_object(Bucket=bucket, Key=key)
