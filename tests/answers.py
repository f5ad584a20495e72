"""Holds every answer of Batch that a test session's local AWSs give against the service model."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from miniwdl_aws.local.endpoint.front import BatchModel
from miniwdl_aws.local.endpoint.gate import Environ, Wsgi
from miniwdl_aws.local.endpoint.http import HttpServer
from miniwdl_aws.local.endpoint.refusals import StartResponse

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
}


def violations(value: Any, shape: Shape, where: str = "answer") -> Iterator[str]:
    """Yield all that a JSON value has against a shape of the service model."""
    if isinstance(shape, StructureShape):
        yield from _structure_violations(value, shape, where)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield f"{where} is no list: {value!r}"
            return
        for position, entry in enumerate(value):
            yield from violations(entry, shape.member, f"{where}[{position}]")
    elif isinstance(shape, MapShape):
        for key, entry in value.items():
            yield from violations(entry, shape.value, f"{where}[{key!r}]")
    else:
        yield from _scalar_violations(value, shape, where)


def _structure_violations(value: Any, shape: StructureShape, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no structure: {value!r}"
        return
    for name in set(shape.required_members) - set(value):
        yield f"{where}.{name} is required"
    for name, entry in value.items():
        if name in shape.members:
            yield from violations(entry, shape.members[name], f"{where}.{name}")
        else:
            yield f"{where}.{name} is unknown"


def _scalar_violations(value: Any, shape: Shape, where: str) -> Iterator[str]:
    allowed = _TYPES[shape.type_name]
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        yield f"{where} is no {shape.type_name}: {value!r}"
    elif shape.metadata.get("enum") and value not in shape.metadata["enum"]:
        yield f"{where} is none of {shape.metadata['enum']}: {value!r}"


class AnswerChecker:
    """A WSGI application around a local AWS's, which turns a wrong answer into an error.

    Args:
        application: the local AWS's.
        model: the service model.
        found: where all that is wrong is noted.
    """

    def __init__(self, application: Wsgi, model: BatchModel, found: list[str]) -> None:
        self._application = application
        self._model = model
        self._found = found

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        operation = self._model.operation(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if operation is None or operation.output_shape is None:
            return self._application(environ, start_response)
        started: list[Any] = []
        body = b"".join(self._application(environ, lambda *answer: started.extend(answer)))
        wrong = []
        if started and started[0].startswith("200"):
            wrong = list(violations(json.loads(body), operation.output_shape))
        if wrong:
            self._found.extend(f"{operation.name}: {each}" for each in wrong)
            started = ["500 Internal Server Error", [("x-amzn-ErrorType", "WrongAnswer")]]
            body = json.dumps({"message": "; ".join(wrong)}).encode()
        if started:
            start_response(*started)
        return [body]


@pytest.fixture(scope="session", autouse=True)
def checked_answers() -> Iterator[list[str]]:
    """Check all answers of all local AWSs of this process; fail the session if one was wrong."""
    found: list[str] = []
    model = BatchModel()
    serve = HttpServer.start

    def start(server: HttpServer, application: Wsgi, threads: int) -> None:
        serve(server, AnswerChecker(application, model, found), threads)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpServer, "start", start)
        yield found
    assert not found
