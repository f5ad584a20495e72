"""The WSGI application: Batch's REST interface, our control calls, and moto behind them."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.loaders import create_loader
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

from miniwdl_aws.local.arns import name_in
from miniwdl_aws.local.batch import limits
from miniwdl_aws.local.endpoint.api import BatchApi
from miniwdl_aws.local.endpoint.calls import Answer
from miniwdl_aws.local.endpoint.control import CONTROL_PATH, Control
from miniwdl_aws.local.endpoint.gate import Environ, Gate, Wsgi
from miniwdl_aws.local.endpoint.operations import Call, call_of, signed_service
from miniwdl_aws.local.endpoint.refusals import STATUS_LINES, StartResponse
from miniwdl_aws.local.errors import BatchError

# A page that a browser shows can reach loopback, and must not run commands there.
_NO_BROWSERS = b'{"message":"Requests that a web page sends (header Origin) are refused"}'
_TAGS_PATH = "/v1/tags/"
_TAG_OPERATIONS = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}


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
        gate: stands before them and before all other services.
        others: the application that has all other services.
        locks: held while another service of a name answers: for those whose state jobs change.
        control: answers the control calls.
    """

    def __init__(
        self,
        *,
        api: BatchApi,
        gate: Gate,
        others: Wsgi,
        locks: Mapping[str, AbstractContextManager[object]],
        control: Control,
    ) -> None:
        self._api = api
        self._gate = gate
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
            status, answer = self._control.answer(
                method, path.removeprefix(CONTROL_PATH), _read(environ)
            )
            return _respond(start_response, status, json.dumps(answer).encode())
        return self._answer_batch(environ, path, method, start_response)

    def _answer_other(
        self, service: str, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        def inner(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            with self._locks.get(service, contextlib.nullcontext()):
                return self._others(environ, start_response)

        return self._gate.serve(call_of(service, environ), environ, start_response, inner)

    def _answer_batch(
        self, environ: Environ, path: str, method: str, start_response: StartResponse
    ) -> Iterable[bytes]:
        model = self._model.operation(method, path)
        body = _read(environ)

        def inner(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            try:
                answer = self._call_batch(environ, path, model, body)
            except BatchError as error:
                content = json.dumps({"message": error.message}).encode()
                return _respond(start_response, error.http_status, content, error.code)
            return _respond(start_response, 200, _encode(answer))

        call = Call("batch", method) if model is None else _call(model.name, body)
        return self._gate.serve(call, environ, start_response, inner)

    def _call_batch(
        self, environ: Environ, path: str, model: OperationModel | None, body: bytes
    ) -> Answer:
        if model is None:
            raise BatchError(
                f"Batch has no {environ['REQUEST_METHOD']} {path}",
                code="UnknownOperationException",
            )
        limits.request_size(body)
        request = _members(environ, path, body)
        self._model.check(model, request)
        return self._api.call(model.name, request)


def _call(operation: str, body: bytes) -> Call:
    """Name a call of Batch, with the job that it submits, if it does so in order."""
    if operation != "SubmitJob":
        return Call("batch", operation)
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        request = json.loads(body)
        return Call("batch", operation, str(request["jobName"]), name_in(request["jobQueue"]))
    return Call("batch", operation)


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
    start_response(STATUS_LINES[status], headers)
    return [content]
