"""Refusals in the shape that each service's clients read."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from miniwdl_aws.local.endpoint import operations

StartResponse = Callable[..., Any]

STATUS_LINES = {
    200: "200 OK",
    204: "204 No Content",
    400: "400 Bad Request",
    403: "403 Forbidden",
    404: "404 Not Found",
    413: "413 Content Too Large",
    429: "429 Too Many Requests",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
}


@dataclass(frozen=True)
class Refusal:
    """An error answer.

    Attributes:
        status: the HTTP status.
        code: the error's code.
        message: the sentence that a client shows.
    """

    status: int
    code: str
    message: str


SLOW_DOWN = Refusal(503, "SlowDown", "Please reduce your request rate.")
"""Amazon S3 API, "Error responses"."""

_THROTTLED = {
    # AWS Batch, knowledge center, "Too Many Requests"; the code is botocore's for its retries.
    "batch": Refusal(429, "TooManyRequestsException", "Too Many Requests"),
    "s3": SLOW_DOWN,
    "sts": Refusal(400, "Throttling", "Rate exceeded"),
    "iam": Refusal(400, "Throttling", "Rate exceeded"),
}
_BROKEN = {
    ("batch", 500): Refusal(500, "ServerException", "Internal server error"),
    ("s3", 500): Refusal(
        500, "InternalError", "We encountered an internal error. Please try again."
    ),
    ("s3", 503): Refusal(503, "ServiceUnavailable", "Service is unable to handle request."),
}


def throttled(service: str) -> Refusal:
    """Return what a service answers to a call beyond its rate."""
    return _THROTTLED.get(service, Refusal(400, "ThrottlingException", "Rate exceeded"))


def broken(service: str, status: int) -> Refusal:
    """Return what a service answers that is out of order.

    Args:
        service: its name.
        status: 500 or 503.
    """
    name = "InternalFailure" if status == 500 else "ServiceUnavailable"  # noqa: PLR2004 - HTTP's own
    message = (
        "The request processing has failed because of an unknown error."
        if name == "InternalFailure"
        else "The request has failed due to a temporary failure of the server."
    )
    return _BROKEN.get((service, status), Refusal(status, name, message))


def refuse(start_response: StartResponse, service: str, refusal: Refusal) -> list[bytes]:
    """Answer a request to a service with a refusal."""
    protocol = operations.protocol(service)
    request_id = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request_id)]
    if protocol == "rest-xml":
        kind, content = "application/xml", _s3_error(refusal, request_id)
        headers = [("x-amz-request-id", request_id)]
    elif protocol in {"query", "ec2"}:
        kind, content = "text/xml", _query_error(refusal, request_id)
    elif protocol == "json":
        kind = "application/x-amz-json-1.1"
        content = json.dumps({"__type": refusal.code, "message": refusal.message})
    else:
        kind, content = "application/json", json.dumps({"message": refusal.message})
        headers.append(("x-amzn-ErrorType", refusal.code))
    body = content.encode()
    headers += [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response(STATUS_LINES[refusal.status], headers)
    return [body]


def _s3_error(refusal: Refusal, request_id: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
        f"<RequestId>{request_id}</RequestId></Error>"
    )


def _query_error(refusal: Refusal, request_id: str) -> str:
    return (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
