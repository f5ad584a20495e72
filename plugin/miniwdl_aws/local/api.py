"""Batch's operations: from a request's members to an answer's."""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from miniwdl_aws.local import limits
from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.definitions import Definitions
from miniwdl_aws.local.errors import BatchError, unsupported
from miniwdl_aws.local.jobs import ENDED, STATUSES, Job, JobStore
from miniwdl_aws.local.queues import Queues
from miniwdl_aws.local.scheduler import Scheduler
from miniwdl_aws.local.submissions import make_job

_PAGE = 100
_STATUS_PAGE = 1000
_OPEN_LISTS = 1000

Request = Mapping[str, Any]
Answer = dict[str, Any] | bytes


class Pages:
    """Hands out long lists in pages.

    A page's token stands for what was left of the list when its first page was given, so pages are
    consistent and cost nothing to continue. The lists that were left longest ago are forgotten.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[str, list[Any]] = OrderedDict()

    def page(
        self, make: Callable[[], list[Any]], token: str | None, size: int
    ) -> tuple[list[Any], str | None]:
        """Return the next entries, and the token of those after them.

        Args:
            make: makes the whole list; called without a token only.
            token: what an earlier call returned.
            size: how many entries at most.
        """
        if token is None:
            entries = make()
        elif token in self._open:
            entries = self._open[token]
        else:
            raise BatchError(f"Invalid nextToken: {token!r}")
        if len(entries) <= size:
            return entries, None
        following = secrets.token_urlsafe(24)
        self._open[following] = entries[size:]
        if len(self._open) > _OPEN_LISTS:
            self._open.popitem(last=False)
        return entries[:size], following


def _page_size(request: Request, most: int) -> int:
    size = request.get("maxResults") or most
    if not 1 <= size <= most:
        raise BatchError(f"maxResults must be from 1 to {most}, got {size}")
    return int(size)


def _answer(key: str, entries: list[Any], token: str | None) -> dict[str, Any]:
    return {key: entries, **({"nextToken": token} if token else {})}


class BatchApi:
    """Batch's operations.

    Args:
        arns: makes ARNs.
        queues: all queues and compute environments.
        definitions: all job definitions.
        store: all jobs.
        scheduler: runs the jobs.
    """

    def __init__(
        self,
        *,
        arns: Arns,
        queues: Queues,
        definitions: Definitions,
        store: JobStore,
        scheduler: Scheduler,
    ) -> None:
        self._arns = arns
        self._queues = queues
        self._definitions = definitions
        self._store = store
        self._scheduler = scheduler
        self._pages = Pages()
        self._operations: dict[str, Callable[[Request], Answer]] = {
            "RegisterJobDefinition": self._register_definition,
            "DescribeJobDefinitions": self._describe_definitions,
            "DeregisterJobDefinition": self._deregister_definition,
            "SubmitJob": self._submit,
            "DescribeJobs": self._describe_jobs,
            "ListJobs": self._list_jobs,
            "CancelJob": self._cancel,
            "TerminateJob": self._terminate,
            "CreateComputeEnvironment": self._create_environment,
            "DescribeComputeEnvironments": self._describe_environments,
            "UpdateComputeEnvironment": self._update_environment,
            "DeleteComputeEnvironment": self._delete_environment,
            "CreateJobQueue": self._create_queue,
            "DescribeJobQueues": self._describe_queues,
            "UpdateJobQueue": self._update_queue,
            "DeleteJobQueue": self._delete_queue,
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def call(self, operation: str, request: Request) -> Answer:
        """Do one operation.

        Args:
            operation: its name in botocore's service model.
            request: its members, types already checked.

        Returns:
            The answer's members, or its JSON.

        Raises:
            BatchError: Batch would refuse it, or the local AWS cannot do it.
        """
        function = self._operations.get(operation)
        if function is None:
            raise unsupported(f"Operation {operation}")
        with self._scheduler.lock:
            return function(request)

    # Job definitions

    def _register_definition(self, request: Request) -> Answer:
        definition = self._definitions.register(request)
        return {
            "jobDefinitionName": definition.name,
            "jobDefinitionArn": definition.arn,
            "revision": definition.revision,
        }

    def _describe_definitions(self, request: Request) -> Answer:
        found, token = self._pages.page(
            lambda: list(self._definitions.select(request)),
            request.get("nextToken"),
            _page_size(request, _PAGE),
        )
        return _answer("jobDefinitions", [each.describe() for each in found], token)

    def _deregister_definition(self, request: Request) -> Answer:
        self._definitions.deregister(request["jobDefinition"])
        return {}

    # Jobs

    def _submit(self, request: Request) -> Answer:
        for dependency in request.get("dependsOn", []):
            if self._store.get(dependency.get("jobId", "")) is None:
                raise BatchError(f"dependsOn: job {dependency.get('jobId')} does not exist")
        job = make_job(
            request,
            queues=self._queues,
            definitions=self._definitions,
            arns=self._arns,
            now=self._store.clock(),
        )
        self._scheduler.submit(job)
        return {"jobArn": job.arn, "jobName": job.name, "jobId": job.job_id}

    def _describe_jobs(self, request: Request) -> Answer:
        ids = request["jobs"]
        if not 1 <= len(ids) <= limits.MAX_DESCRIBED_JOBS:
            raise BatchError(
                f"jobs must name from 1 to {limits.MAX_DESCRIBED_JOBS} jobs, got {len(ids)}"
            )
        found = {each: self._store.get(each.rpartition("/")[2]) for each in ids}
        entries = [job.describe_json() for job in found.values() if job]
        return b'{"jobs":[' + b",".join(entries) + b"]}"

    def _list_jobs(self, request: Request) -> Answer:
        for key in ("arrayJobId", "multiNodeJobId"):
            if request.get(key):
                raise unsupported(f"Listing jobs by {key}")
        if not request.get("jobQueue"):
            raise BatchError("jobQueue must be given")
        queue = self._queues.queue(request["jobQueue"]).name
        filters = request.get("filters", [])
        size = _page_size(request, _PAGE if filters else _STATUS_PAGE)
        found, token = self._pages.page(
            lambda: self._jobs_of(queue, request, filters), request.get("nextToken"), size
        )
        return _answer("jobSummaryList", [job.summary() for job in found], token)

    def _jobs_of(self, queue: str, request: Request, filters: list[dict[str, Any]]) -> list[Job]:
        if not filters:
            status = request.get("jobStatus", "RUNNING")
            if status not in STATUSES:
                raise BatchError(f"jobStatus must be one of {', '.join(STATUSES)}, got {status!r}")
            return self._store.with_status(queue, status)
        if len(filters) > 1:
            raise BatchError("Only one filter can be used at a time")
        return self._store.filtered(queue, filters[0].get("name", ""), filters[0].get("values", []))

    def _job(self, request: Request) -> Job:
        job = self._store.get(request["jobId"])
        if job is None:
            raise BatchError(f"Job {request['jobId']} does not exist")
        if not request["reason"]:
            raise BatchError("reason must not be empty")
        return job

    def _cancel(self, request: Request) -> Answer:
        self._scheduler.cancel(self._job(request), request["reason"])
        return {}

    def _terminate(self, request: Request) -> Answer:
        self._scheduler.terminate(self._job(request), request["reason"])
        return {}

    # Compute environments and job queues

    def _create_environment(self, request: Request) -> Answer:
        environment = self._queues.create_environment(request)
        return {
            "computeEnvironmentName": environment.name,
            "computeEnvironmentArn": environment.arn,
        }

    def _describe_environments(self, request: Request) -> Answer:
        found, token = self._pages.page(
            lambda: self._queues.environments(request.get("computeEnvironments")),
            request.get("nextToken"),
            _page_size(request, _PAGE),
        )
        return _answer("computeEnvironments", [each.describe() for each in found], token)

    def _update_environment(self, request: Request) -> Answer:
        environment = self._queues.update_environment(request)
        self._scheduler.reschedule()
        return {
            "computeEnvironmentName": environment.name,
            "computeEnvironmentArn": environment.arn,
        }

    def _delete_environment(self, request: Request) -> Answer:
        self._queues.delete_environment(request["computeEnvironment"])
        return {}

    def _create_queue(self, request: Request) -> Answer:
        queue = self._queues.create_queue(request)
        return {"jobQueueName": queue.name, "jobQueueArn": queue.arn}

    def _describe_queues(self, request: Request) -> Answer:
        found, token = self._pages.page(
            lambda: self._queues.queues(request.get("jobQueues")),
            request.get("nextToken"),
            _page_size(request, _PAGE),
        )
        return _answer("jobQueues", [each.describe() for each in found], token)

    def _update_queue(self, request: Request) -> Answer:
        queue = self._queues.update_queue(request)
        self._scheduler.reschedule()
        return {"jobQueueName": queue.name, "jobQueueArn": queue.arn}

    def _delete_queue(self, request: Request) -> Answer:
        queue = self._queues.delete_queue(request["jobQueue"])
        if queue is not None:
            for status in set(STATUSES) - ENDED:
                for job in self._store.with_status(queue.name, status):
                    self._scheduler.terminate(job, "JobQueue deleted")
        return {}

    # Tags

    def _tags(self, arn: str) -> dict[str, str]:
        kind, _, name = arn.rpartition(":")[2].partition("/")
        if arn != self._arns.batch(kind, name):
            definition = self._definitions.by_arn(arn)
            if definition is None:
                raise BatchError(f"Resource {arn} not found")
            return definition.tags
        if kind == "job-queue":
            return self._queues.queue(arn).tags
        if kind == "compute-environment":
            return self._queues.environment(arn).tags
        job = self._store.get(name) if kind == "job" else None
        if job is None:
            raise BatchError(f"Resource {arn} not found")
        return job.tags

    def _list_tags(self, request: Request) -> Answer:
        return {"tags": self._tags(request["resourceArn"])}

    def _tag(self, request: Request) -> Answer:
        tags = self._tags(request["resourceArn"])
        limits.tags({**tags, **request["tags"]})
        tags.update(request["tags"])
        self._touch(request["resourceArn"])
        return {}

    def _untag(self, request: Request) -> Answer:
        tags = self._tags(request["resourceArn"])
        for key in request["tagKeys"]:
            tags.pop(key, None)
        self._touch(request["resourceArn"])
        return {}

    def _touch(self, arn: str) -> None:
        job = self._store.get(arn.rpartition("/")[2])
        if job is not None:
            job.touch()
