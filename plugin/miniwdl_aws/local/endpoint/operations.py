"""What a request asks of which service."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from miniwdl_aws.local.errors import nearest

_SCOPE = re.compile(r"Credential=[^/\s,]+/\d{8}/[^/]+/([^/]+)/aws4_request")
_FORM = "application/x-www-form-urlencoded"
# Services that sign with another name than they bear.
_SIGNED_AS = {"elasticfilesystem": "efs"}
# What a call is named by whose operation is not known.
_METHODS = frozenset({"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})

SERVICES = ("batch", "logs", "s3", "efs", "sts", "iam", "ecr", "secretsmanager", "sqs", "events")
"""The services that clients of Batch ask, the most asked first, as botocore names them."""


@dataclass(frozen=True)
class Call:
    """What a request asks for.

    Attributes:
        service: the service's name in botocore.
        operation: the operation's name there, or the HTTP method where it is not known.
        job_name: the job that it is about, where the request names one.
        queue: the job queue that it is about, where the request names one.
    """

    service: str
    operation: str
    job_name: str | None = None
    queue: str | None = None

    @property
    def name(self) -> str:
        """Service and operation, as rates are named."""
        return f"{self.service}:{self.operation}"

    @property
    def counted_as(self) -> str:
        """The name in counters: an operation of Batch bears its own alone."""
        return self.operation if self.service == "batch" else self.name


def signed_service(environ: Mapping[str, Any]) -> str | None:
    """Return the service that a request was signed for, from its header or its query."""
    scope = environ.get("HTTP_AUTHORIZATION", "")
    if not scope:
        given = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])
        scope = f"Credential={given[0]}"
    match = _SCOPE.search(scope)
    return _SIGNED_AS.get(match[1], match[1]) if match else None


@dataclass(frozen=True)
class _Route:
    """How a request for an operation of a REST service looks.

    Attributes:
        operation: its name.
        path: matches its path.
        marks: the members of the query (without ``=``) and headers (with their names in a WSGI
            environment) that tell it from others with the same path.
    """

    operation: str
    path: re.Pattern[str]
    marks: frozenset[str]


@dataclass(frozen=True)
class _Interface:
    protocol: str
    routes: Mapping[str, tuple[_Route, ...]]


def call_of(service: str, environ: dict[str, Any]) -> Call:
    """Name what a request to another service than Batch asks for.

    The body of a form is read, and put back.
    """
    interface = _interface(service)
    operation = None
    if "HTTP_X_AMZ_TARGET" in environ:
        operation = environ["HTTP_X_AMZ_TARGET"].rpartition(".")[2]
    elif interface.protocol == "query":
        operation = _action(environ)
    else:
        operation = _routed(interface, environ)
    return Call(service, operation or environ["REQUEST_METHOD"])


def unknown_operation(pattern: str, services: Iterable[str] = SERVICES) -> str | None:
    """Say in a few words why no call can be meant, with the nearest name; None if one can.

    Args:
        pattern: an operation, perhaps with wildcards.
        services: those that it may be one of, as botocore names them.

    >>> unknown_operation("GetLogEvent", ["logs"])
    "'GetLogEvent' is no operation of logs (did you mean 'GetLogEvents'?)"
    >>> unknown_operation("Describe*", ["batch"])
    """
    known: set[str] = set()
    for service in services:
        names = _operation_names(service)
        if not names:
            known_services = Loader().list_available_services("service-2")
            return f"{service!r} is no service{nearest(service, known_services)}"
        if any(fnmatchcase(name, pattern) for name in names | _METHODS):
            return None
        known |= names
    return f"{pattern!r} is no operation of {', '.join(services)}{nearest(pattern, known)}"


@cache
def _operation_names(service: str) -> frozenset[str]:
    try:
        return frozenset(Loader().load_service_model(service, "service-2")["operations"])
    except UnknownServiceError:
        return frozenset()


def protocol(service: str) -> str:
    """Return a service's protocol as botocore names it; REST with XML if there is no such one."""
    return _interface(service).protocol


@cache
def _interface(service: str) -> _Interface:
    try:
        # A loader of its own: botocore's cached ones keep megabytes that nobody asks for.
        description = Loader().load_service_model(service, "service-2")
    except UnknownServiceError:
        return _Interface("rest-xml", {})
    model = ServiceModel(description, service)
    name = str(model.metadata["protocol"])
    if not name.startswith("rest-"):
        return _Interface(name, {})
    routes = defaultdict(list)
    for each in map(model.operation_model, model.operation_names):
        routes[each.http["method"]].append(_route(each))
    # The most particular first: UploadPart is PutObject with a part's number.
    ordered = {
        method: tuple(sorted(found, key=lambda route: -len(route.marks)))
        for method, found in routes.items()
    }
    return _Interface(name, ordered)


def _route(model: OperationModel) -> _Route:
    path, _, query = model.http["requestUri"].partition("?")
    pattern = re.sub(r"\\\{\w+(\\\+)?\\\}", lambda found: ".+" if found[1] else "[^/]+",
                     re.escape(path))  # fmt: skip
    literal = {key for key, _ in parse_qsl(query, keep_blank_values=True)}
    return _Route(model.name, re.compile(f"{pattern}/?$"), frozenset({*literal, *_marks(model)}))


def _marks(model: OperationModel) -> Iterator[str]:
    shape = model.input_shape
    if shape is None:
        return
    for name in shape.required_members:
        member = shape.members[name]
        where = member.serialization.get("location")
        given = str(member.serialization.get("name", name))
        if where == "querystring":
            yield given
        elif where == "header":
            yield "HTTP_" + given.upper().replace("-", "_")


def _routed(interface: _Interface, environ: Mapping[str, Any]) -> str | None:
    query = {key for key, _ in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)}
    present = query | environ.keys()
    path = environ.get("PATH_INFO", "/")
    for route in interface.routes.get(environ["REQUEST_METHOD"], ()):
        if route.marks <= present and route.path.match(path):
            return route.operation
    return None


def _action(environ: dict[str, Any]) -> str | None:
    found = parse_qs(environ.get("QUERY_STRING", "")).get("Action")
    if found is None and environ.get("CONTENT_TYPE", "").startswith(_FORM):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        found = parse_qs(body.decode("utf-8", "replace")).get("Action")
    return found[0] if found else None
