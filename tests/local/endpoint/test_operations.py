"""What a request asks of which service."""

from io import BytesIO
from typing import Any

import pytest

from miniwdl_aws.local.endpoint.operations import Call, call_of, protocol, signed_service


def request(method: str, path: str = "/", query: str = "", **more: Any) -> dict[str, Any]:
    return {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, **more}


@pytest.mark.parametrize(
    ("operation", "environ"),
    [
        ("ListBuckets", request("GET")),
        ("CreateBucket", request("PUT", "/bucket")),
        ("ListObjectsV2", request("GET", "/bucket", "list-type=2&prefix=a%2F")),
        ("DeleteObjects", request("POST", "/bucket", "delete")),
        ("PutObject", request("PUT", "/bucket/a/key")),
        ("CopyObject", request("PUT", "/bucket/key", HTTP_X_AMZ_COPY_SOURCE="bucket/other")),
        ("CreateMultipartUpload", request("POST", "/bucket/key", "uploads")),
        ("UploadPart", request("PUT", "/bucket/key", "partNumber=1&uploadId=x")),
        ("CompleteMultipartUpload", request("POST", "/bucket/key", "uploadId=x")),
        ("GetObject", request("GET", "/bucket/key", "X-Amz-Credential=presigned")),
        ("HeadObject", request("HEAD", "/bucket/key")),
    ],
)
def test_operations_of_s3_are_told_apart(operation: str, environ: dict[str, Any]) -> None:
    """Method, path, query and headers name the operation as botocore's model does."""
    assert call_of("s3", environ) == Call("s3", operation)


def test_operations_of_other_protocols_are_named() -> None:
    """JSON names its operation in a header, a form in its body, EFS by its path."""
    target = request("POST", HTTP_X_AMZ_TARGET="Logs_20140328.GetLogEvents")
    assert call_of("logs", target).name == "logs:GetLogEvents"
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    form = request(
        "POST",
        CONTENT_TYPE="application/x-www-form-urlencoded; charset=utf-8",
        CONTENT_LENGTH=str(len(body)),
    )
    form["wsgi.input"] = BytesIO(body)
    assert call_of("sts", form).name == "sts:GetCallerIdentity"
    assert form["wsgi.input"].read() == body
    points = request("GET", "/2015-02-01/access-points")
    assert call_of("efs", points).name == "efs:DescribeAccessPoints"


def test_what_is_not_known_bears_its_method() -> None:
    """Unknown services and paths are counted all the same."""
    assert call_of("unsigned", request("GET", "/a")) == Call("unsigned", "GET")
    assert call_of("efs", request("GET", "/nothing")) == Call("efs", "GET")


def test_services_are_named_as_botocore_does() -> None:
    """EFS signs with another name than it bears."""
    scope = "AWS4-HMAC-SHA256 Credential=a/20260101/us-west-2/elasticfilesystem/aws4_request, x"
    assert signed_service(request("GET", HTTP_AUTHORIZATION=scope)) == "efs"
    presigned = "X-Amz-Credential=a%2F20260101%2Fus-west-2%2Fs3%2Faws4_request"
    assert signed_service(request("GET", query=presigned)) == "s3"
    assert signed_service(request("GET")) is None
    for unsigned in ("X-Amz-Credential=", "key=X-Amz-Credential="):
        assert signed_service(request("GET", query=unsigned)) is None
    assert [protocol(each) for each in ("batch", "logs", "s3", "sts")] == [
        "rest-json",
        "json",
        "rest-xml",
        "query",
    ]


def test_counters_name_batch_by_its_operations_alone() -> None:
    """All others bear their service before it."""
    assert Call("batch", "SubmitJob").counted_as == "SubmitJob"
    assert Call("s3", "GetObject").counted_as == "s3:GetObject"
