"""The WSGI application: Batch's REST interface, our control calls, and moto behind them."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.loaders import create_loader
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

from miniwdl_aws.local import limits
from miniwdl_aws.local.api import BatchApi
from miniwdl_aws.local.calls import Answer
from miniwdl_aws.local.errors import BatchError, too_many_requests
from miniwdl_aws.local.pacing import Pacer

CONTROL_PATH = "/_miniwdl_aws_local/"
"""Below it lie the calls that are ours and not AWS's."""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

# A page that a browser shows can reach loopback, and must not run commands there.
_NO_BROWSERS = b'{"message":"Requests that a web page sends (header Origin) are refused"}'
_SCOPE = re.compile(r"Credential=[^/\s,]+/\d{8}/[^/]+/([^/]+)/aws4_request")
_TAGS_PATH = "/v1/tags/"
_TAG_OPERATIONS = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}
_STATUS_LINES = {
    200: "200 OK",
    400: "400 Bad Request",
    403: "403 Forbidden",
    404: "404 Not Found",
    413: "413 Content Too Large",
    429: "429 Too Many Requests",
    500: "500 Internal Server Error",
}


def signed_service(environ: Mapping[str, Any]) -> str | None:
    """Return the service that a request was signed for, from its header or its query."""
    scope = environ.get("HTTP_AUTHORIZATION", "")
    if not scope and "X-Amz-Credential=" in environ.get("QUERY_STRING", ""):
        scope = "Credential=" + parse_qs(environ["QUERY_STRING"])["X-Amz-Credential"][0]
    match = _SCOPE.search(scope)
    return match[1] if match else None


class BatchModel:
    """What botocore's service model says about Batch's requests."""

    @cached_property
    def _service(self) -> ServiceModel:
        # Without a session, whose profile (AWS_PROFILE) need not exist here.
        loaded = create_loader().load_service_model("batch", "service-2")
        return ServiceModel(loaded, "batch")

    @cached_property
    def _by_path(self) -> dict[str, OperationModel]:
        models = map(self._service.operation_model, self._service.operation_names)
        return {model.http["requestUri"]: model for model in models}

    def operation(self, method: str, path: str) -> OperationModel | None:
        """Find the operation of a request, if Batch has it."""
        if path.startswith(_TAGS_PATH):
            name = _TAG_OPERATIONS.get(method)
            return self._service.operation_model(name) if name else None
        model = self._by_path.get(path)
        return model if model and model.http["method"] == method else None

    def check(self, model: OperationModel, request: Any) -> None:
        """Refuse a request whose members are missing, unknown or of a wrong type.

        Raises:
            BatchError: with all that is wrong.
        """
        shape = model.input_shape
        if not isinstance(request, dict):
            raise BatchError("The request is no JSON object")
        if shape is not None:
            report = ParamValidator().validate(request, shape)
            if report.has_errors():
                raise BatchError(f"Error executing request: {report.generate_report()}")


class Front:
    """The WSGI application.

    Args:
        api: Batch's operations.
        pacer: slows, limits and counts Batch's calls.
        others: the application that has all other services.
        locks: held while another service of a name answers: for those whose state jobs change.
        control: answers the control calls: from a path below ``CONTROL_PATH`` and a method to an
            answer, or None if there is no such call.
    """

    def __init__(
        self,
        *,
        api: BatchApi,
        pacer: Pacer,
        others: Wsgi,
        locks: Mapping[str, AbstractContextManager[object]],
        control: Callable[[str, str], Any],
    ) -> None:
        self._api = api
        self._pacer = pacer
        self._others = others
        self._locks = locks
        self._control = control
        self._model = BatchModel()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path, method = environ.get("PATH_INFO", "/"), environ["REQUEST_METHOD"]
        service = signed_service(environ)
        unsigned_batch = service is None and self._model.operation(method, path) is not None
        control = path.startswith(CONTROL_PATH)
        if not (control or unsigned_batch or service == "batch"):
            return self._answer_other(service or "unsigned", environ, start_response)
        if "HTTP_ORIGIN" in environ:
            return _respond(start_response, 403, _NO_BROWSERS, "AccessDeniedException")
        if control:
            return self._answer_control(path, method, start_response)
        return self._answer_batch(environ, path, method, start_response)

    def _answer_other(
        self, service: str, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        self._pacer.count(f"{service}:{environ['REQUEST_METHOD']}")
        with self._locks.get(service, contextlib.nullcontext()):
            return self._others(environ, start_response)

    def _answer_control(
        self, path: str, method: str, start_response: StartResponse
    ) -> Iterable[bytes]:
        answer = self._control(path.removeprefix(CONTROL_PATH), method)
        if answer is None:
            return _respond(start_response, 404, b'{"message":"no such control call"}')
        return _respond(start_response, 200, json.dumps(answer).encode())

    def _answer_batch(
        self, environ: Environ, path: str, method: str, start_response: StartResponse
    ) -> Iterable[bytes]:
        body = _read(environ)
        try:
            answer = self._call_batch(environ, path, method, body)
        except BatchError as error:
            content = json.dumps({"message": error.message}).encode()
            return _respond(start_response, error.http_status, content, error.code)
        return _respond(start_response, 200, _encode(answer))

    def _call_batch(self, environ: Environ, path: str, method: str, body: bytes) -> Answer:
        model = self._model.operation(method, path)
        if model is None:
            raise BatchError(f"Batch has no {method} {path}", code="UnknownOperationException")
        if not self._pacer.admit(model.name):
            raise too_many_requests(model.name)
        limits.request_size(body)
        request = _members(environ, path, body)
        self._model.check(model, request)
        return self._api.call(model.name, request)


def _read(environ: Environ) -> bytes:
    length = environ.get("CONTENT_LENGTH") or "0"
    data: bytes = environ["wsgi.input"].read(int(length))
    return data


def _members(environ: Environ, path: str, body: bytes) -> Any:
    try:
        request = json.loads(body) if body else {}
    except ValueError as error:
        raise BatchError(f"The request is not JSON: {error}", code="SerializationException") from (
            error
        )
    if path.startswith(_TAGS_PATH) and isinstance(request, dict):
        request["resourceArn"] = unquote(path.removeprefix(_TAGS_PATH))
        keys = parse_qs(environ.get("QUERY_STRING", "")).get("tagKeys")
        if keys:
            request["tagKeys"] = keys
    return request


def _encode(answer: Answer) -> bytes:
    if isinstance(answer, bytes):
        return answer
    return json.dumps(answer, separators=(",", ":")).encode()


def _respond(
    start_response: StartResponse, status: int, content: bytes, error: str | None = None
) -> list[bytes]:
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
    if error is not None:
        headers.append(("x-amzn-ErrorType", error))
    start_response(_STATUS_LINES[status], headers)
    return [content]
