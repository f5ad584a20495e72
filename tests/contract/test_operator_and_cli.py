"""The operator and ``miniwdl-aws-submit`` make the same AWS requests of the same settings."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from miniwdl_aws.clients import AwsClients
from miniwdl_aws.jobs import terminate
from miniwdl_aws.settings import SETTINGS

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws

# Airflow reads it when it is imported, which the tests do after this.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))

PROGRAM = Path(sys.executable).parent / "miniwdl-aws-submit"
HELLO = Path(__file__).parents[2] / "docs" / "hello.wdl"
RECORDED = ("/v1/registerjobdefinition", "/v1/submitjob")


class Recorder(ThreadingHTTPServer):
    """Hands all requests on to the local AWS, and keeps the bodies of those that matter."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.recorded: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path in RECORDED:
            self.server.recorded.append((self.path, body))
        request = urllib.request.Request(  # noqa: S310  (the local AWS's own address)
            self.server.upstream + self.path,
            data=body or None,
            headers=dict(self.headers),
            method=self.command,
        )
        try:
            answer = urllib.request.urlopen(request)  # noqa: S310  (as above)
        except urllib.error.HTTPError as exc:
            answer = exc
        with answer:
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _pass_on  # noqa: N815  (the base's names)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's name)
        """Say nothing."""


@pytest.fixture
def recorder(local_aws: "LocalAws") -> Iterator[Recorder]:
    with Recorder(local_aws.environment["AWS_ENDPOINT_URL"]) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def environ(local_aws: "LocalAws", recorder: Recorder, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        **local_aws.environment,
        "AWS_ENDPOINT_URL": recorder.url,
        "MINIWDL__AWS__WORKFLOW_IMAGE": "local",
        "MINIWDL__SCHEDULER__CALL_CONCURRENCY": "7",
        "NO_PROXY": "127.0.0.1",
    }


GIVEN: dict[str, dict[str, Any]] = {
    "only what the queue's tags say": {},
    "every setting": {
        "workflow_queue": "miniwdl-workflow",
        "task_queue": "miniwdl-task-fallback",
        "task_queue_fallback": "miniwdl-task",
        "mount": "/mnt/efs",
        "dir": "/mnt/efs/miniwdl_run/lab",
        "workflow_role": "arn:aws:iam::123456789012:role/lab",
        "image": "registry.example/miniwdl:1",
        "cpu": 2,
        "memory_gib": 8,
        "public_ip": False,
        "pass_environment": False,
        "s3upload": "s3://miniwdl-local/contract",
        "delete_after": "success",
        "exchange": "s3://miniwdl-local/exchange",
        "job_timeout_seconds": 7200,
        "workflow_attempts": 2,
        "tags": {"lab": "virology", "run": "{run}"},
    },
    "another file system": {
        "workflow_queue": "miniwdl-task",
        "task_queue": "miniwdl-task",
        "efs": False,
        "mount": "/mnt/net",
        "image": "registry.example/miniwdl:1",
    },
}


def flags(given: dict[str, Any]) -> list[str]:
    """Write settings as options, by the table of settings."""
    options = []
    for setting in SETTINGS:
        if setting.name not in given:
            continue
        value = given[setting.name]
        if value is False:
            options.append(setting.flag)
        elif isinstance(value, dict):
            options += [each for pair in value.items() for each in (setting.flag, "=".join(pair))]
        else:
            options += [setting.flag, str(value)]
    return options


def submit_by_program(environ: dict[str, str], given: dict[str, Any], inputs: Path) -> str:
    done = subprocess.run(
        [str(PROGRAM), str(HELLO), "-i", str(inputs), "--run-key", "d/r/submit/-1", *flags(given)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def submit_by_operator(environ: dict[str, str], given: dict[str, Any]) -> str:
    from airflow.sdk.bases.operator import ExecutorSafeguard  # noqa: PLC0415  (see above)

    from airflow_provider_miniwdl_aws.operators import MiniwdlSubmitOperator  # noqa: PLC0415

    task = MiniwdlSubmitOperator(task_id="submit", wdl=HELLO, inputs={"name": "Ada"}, **given)
    ti = SimpleNamespace(
        dag_id="d", run_id="r", task_id="submit", map_index=-1, try_number=1, max_tries=0,
        xcom_push=lambda key, value: None,
    )  # fmt: skip
    token = ExecutorSafeguard.tracker.set(task)
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environ.items():
            patched.setenv(name, value)
        try:
            return str(task.execute({"ti": ti, "task": task}))
        finally:
            ExecutorSafeguard.tracker.reset(token)


def take(recorder: Recorder, clients: AwsClients, job_id: str) -> list[tuple[str, bytes]]:
    """Take what was recorded, and undo it, so that the next submission has all to do again."""
    terminate(clients, job_id, "end of test")
    recorded, recorder.recorded = recorder.recorded, []
    forget_definitions(clients)
    return recorded


def forget_definitions(clients: AwsClients) -> None:
    """Make the next submission register what it needs."""
    answer = clients.batch.describe_job_definitions(status="ACTIVE")
    for definition in answer["jobDefinitions"]:
        if definition["jobDefinitionName"].startswith("miniwdl-workflow-"):
            clients.batch.deregister_job_definition(jobDefinition=definition["jobDefinitionArn"])


@pytest.mark.parametrize("case", GIVEN)
def test_equal_settings_make_equal_requests(
    environ: dict[str, str],
    recorder: Recorder,
    local_aws_environment: object,
    tmp_path: Path,
    case: str,
) -> None:
    """RegisterJobDefinition and SubmitJob are the same to the byte."""
    clients = AwsClients()
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"name": "Ada"}))
    forget_definitions(clients)

    program = take(recorder, clients, submit_by_program(environ, GIVEN[case], inputs))
    operator = take(recorder, clients, submit_by_operator(environ, GIVEN[case]))
    assert [path for path, _ in program] == list(RECORDED)
    assert operator == program


def test_every_setting_is_an_argument_and_an_option() -> None:
    """A setting that is added to the table is added in both places, under its names."""
    from airflow_provider_miniwdl_aws.operators import MiniwdlSubmitOperator  # noqa: PLC0415

    missing = [
        setting.name
        for setting in SETTINGS
        if setting.name not in MiniwdlSubmitOperator.template_fields
    ]
    assert missing == []
    given = {name for case in GIVEN.values() for name in case}
    # An access point is the local AWS's own, and it has no place for secrets.
    assert {setting.name for setting in SETTINGS} - given == {"fsap", "secrets"}
    help_text = subprocess.run(
        [str(PROGRAM), "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert [setting.flag for setting in SETTINGS if setting.flag not in help_text] == []
