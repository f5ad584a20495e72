"""The HTTP server: waitress, in a thread of its own, stopped from outside."""

import socket
import threading
from typing import Any

import waitress.channel  # type: ignore[import-untyped]
import waitress.parser  # type: ignore[import-untyped]
import waitress.server  # type: ignore[import-untyped]
import waitress.task  # type: ignore[import-untyped]
import waitress.wasyncore  # type: ignore[import-untyped]
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    environ_key_for_header,
    should_preserve_original_header_name,
)

from miniwdl_aws.local.endpoint.gate import NoAnswerError, Wsgi
from miniwdl_aws.local.errors import LocalAwsError

_CONNECTIONS = 4096
_KEEP_ALIVE_SECONDS = 600
_MAX_BODY_BYTES = 5 * 1024**4
"""S3's largest object (Amazon S3 user guide, "Uploading objects")."""


class _Parser(waitress.parser.HTTPRequestParser):  # type: ignore[misc]
    """Keeps the headers whose underscores S3's object metadata needs; waitress drops all such.

    As in moto's own server, an underscored header never stands in for a dashed one.
    """

    def parse_header(self, header_plus: bytes) -> None:
        self.kept_names: dict[str, str] = {}
        super().parse_header(header_plus)
        for line in header_plus.split(b"\r\n")[1:]:
            name, _, value = line.decode("latin-1").partition(":")
            key = name.upper().replace("-", "_")
            if should_preserve_original_header_name(name) and key not in self.headers:
                self.headers[key] = value.strip(" \t")
                self.kept_names[environ_key_for_header(name)] = name


class _Task(waitress.task.WSGITask):  # type: ignore[misc]
    """Hands the names of kept headers to moto, and leaves S3's object metadata as moto names it.

    waitress writes the names of headers with capitals, and clients take metadata's names from them.
    """

    response_headers: list[tuple[str, str]]

    def service(self) -> None:
        """Answer, or close the connection where the application wants no more said."""
        try:
            super().service()
        except NoAnswerError:
            self.close_on_finish = True

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = self.request.kept_names
        return environ

    def build_response_header(self) -> bytes:
        headers = self.response_headers
        metadata = [header for header in headers if header[0].lower().startswith("x-amz-meta-")]
        self.response_headers = [header for header in headers if header not in metadata]
        built: bytes = super().build_response_header()
        lines = "".join(f"{name}: {value}\r\n" for name, value in metadata)
        return built.removesuffix(b"\r\n") + lines.encode("latin-1") + b"\r\n"


class _Channel(waitress.channel.HTTPChannel):  # type: ignore[misc]
    parser_class = _Parser
    task_class = _Task

    def send_continue(self) -> None:
        """Ask for the body, without forgetting a request that has all of it.

        waitress takes it that a body is still to come, and would wait for an empty one forever.
        """
        completed = self.request.completed
        super().send_continue()
        self.request.completed = completed


class HttpServer:
    """Serves a WSGI application over HTTP/1.1 with connections that stay open.

    It listens from construction on, so that its port is known, and serves from ``start``.

    Args:
        host: the address to listen on.
        port: the TCP port, 0 for a free one.

    Raises:
        LocalAwsError: the address cannot be had.
    """

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._host = host
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise LocalAwsError(
                f"cannot listen on {host} port {port}: {error}; choose another --port, or 0 for a "
                "free one"
            ) from error
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self._connections: dict[int, Any] = {}

    @property
    def url(self) -> str:
        """The address of ``/``, without the slash."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._socket.getsockname()[1]}"

    def start(self, application: Wsgi, threads: int) -> None:
        """Begin to serve.

        Args:
            application: answers the requests.
            threads: how many requests are answered at once.
        """
        self._server = waitress.server.create_server(
            application,
            map=self._connections,
            sockets=[self._socket],
            threads=threads,
            connection_limit=_CONNECTIONS,
            channel_timeout=_KEEP_ALIVE_SECONDS,
            asyncore_use_poll=True,
            ident="miniwdl-aws-local",
            max_request_body_size=_MAX_BODY_BYTES,
            clear_untrusted_proxy_headers=True,
        )
        self._server.channel_class = _Channel
        self._thread = threading.Thread(target=self._server.run, name="local-aws-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop to serve and close all connections."""
        if self._thread is not None:
            self._server.trigger.pull_trigger(self._close_connections)
            self._thread.join()
            self._server.task_dispatcher.shutdown()
            self._server.close()
        self._socket.close()

    def _close_connections(self) -> None:
        # The server's trigger stays open, out of the loop's sight: who pulled it may yet write to
        # it, since the loop can be here already for another's pull.
        self._server.trigger.del_channel()
        self._server.del_channel()
        waitress.wasyncore.close_all(self._connections, ignore_all=True)
