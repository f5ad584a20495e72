"""Sending the backend's requests: definitions once, submissions paced, terminations for sure."""

import functools
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from miniwdl_aws import jobs
from miniwdl_aws.backend.definition import TaskDefinition
from miniwdl_aws.clients import AwsClients, aws_errors
from miniwdl_aws.errors import AwsError
from miniwdl_aws.retry import Retry, never

_log = logging.getLogger(__name__)


class Definitions:
    """Job definitions by their name, looked up or registered once in a process.

    Args:
        clients: where Batch is.
        retry: how requests are tried.
    """

    def __init__(self, clients: AwsClients, retry: Retry) -> None:
        self._clients = clients
        self._retry = retry
        self._lock = threading.Lock()
        self._known: dict[str, Future[str]] = {}
        self._shared: dict[str, TaskDefinition] = {}

    def shared(self, definition: TaskDefinition) -> TaskDefinition:
        """Give the first one of the same content, lest each task of a scatter keeps its own."""
        return self._shared.setdefault(definition.name, definition)

    def ensure(self, definition: TaskDefinition) -> str:
        """Give the ARN of an active job definition of this content.

        The first thread to ask for a name asks AWS, others wait for its answer; a failure is not
        kept.

        Raises:
            AwsError: it could be neither found nor registered.
        """
        with self._lock:
            known = self._known.get(definition.name)
            if known is None:
                ours = self._known[definition.name] = Future()
        if known is not None:
            return known.result()
        try:
            arn = self._find(definition.name) or self._register(definition)
        except BaseException as exc:
            self.forget(definition.name)
            ours.set_exception(exc)
            raise
        ours.set_result(arn)
        return arn

    def forget(self, name: str) -> None:
        """Ask AWS anew for a definition when it is next needed: it may have been deregistered."""
        with self._lock:
            self._known.pop(name, None)

    def _find(self, name: str) -> str | None:
        def request() -> Mapping[str, Any]:
            with aws_errors("DescribeJobDefinitions", name):
                return self._clients.batch.describe_job_definitions(
                    jobDefinitionName=name, status="ACTIVE"
                )

        found = self._retry.call(request)["jobDefinitions"]
        if not found:
            return None
        newest = max(found, key=lambda each: int(each["revision"]))
        return str(newest["jobDefinitionArn"])

    def _register(self, definition: TaskDefinition) -> str:
        def request() -> str:
            with aws_errors("RegisterJobDefinition", definition.name):
                answer = self._clients.batch.register_job_definition(**definition.request)
            return answer["jobDefinitionArn"]

        return self._retry.call(request)


def submit(
    clients: AwsClients,
    retry: Retry,
    request: Mapping[str, Any],
    *,
    stopping: Callable[[], bool] = never,
) -> str:
    """Submit a job exactly once, and give its id.

    SubmitJob has no client token: after a failure that leaves open whether the job was made, it
    is looked for by its name, which no other job bears, before it is submitted again.

    Raises:
        Stopped: the run is terminating.
        AwsError: the job could not be submitted.
    """

    def send() -> str:
        with aws_errors("SubmitJob", str(request["jobName"])):
            return clients.batch.submit_job(**request)["jobId"]

    def look() -> str | None:
        return _look_by_name(clients, str(request["jobQueue"]), str(request["jobName"]))

    return retry.call(send, stopping=stopping, before_retry=look)


def terminate(clients: AwsClients, retry: Retry, job_id: str, reason: str) -> None:
    """Ask Batch to end a job in any status; a job that has ended stays as it is.

    Args:
        clients: where Batch is.
        retry: how the request is tried.
        job_id: the job.
        reason: becomes its status reason.

    Raises:
        AwsError: Batch could not be asked after all attempts.
    """
    retry.call(functools.partial(jobs.terminate, clients, job_id, reason))


def find_by_name(clients: AwsClients, retry: Retry, queue: str, name: str) -> str | None:
    """Find a job by a name that no other bears.

    Returns:
        Its id; None if there is no such job.

    Raises:
        AwsError: Batch could not be asked after all attempts.
    """
    return retry.call(functools.partial(_list_by_name, clients, queue, name))


def _look_by_name(clients: AwsClients, queue: str, name: str) -> str | None:
    try:
        return _list_by_name(clients, queue, name)
    except AwsError as exc:
        _log.warning("whether job %s was submitted is not known: %s", name, exc)
        return None


def _list_by_name(clients: AwsClients, queue: str, name: str) -> str | None:
    with aws_errors("ListJobs", queue):
        answer = clients.batch.list_jobs(
            jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [name]}]
        )
    found = [each["jobId"] for each in answer["jobSummaryList"] if each["jobName"] == name]
    return found[0] if found else None
