"""Batch's operations on job definitions and jobs."""

from typing import Any

from miniwdl_aws.local import limits
from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.calls import Answer, Operations, Request
from miniwdl_aws.local.definitions import Definitions
from miniwdl_aws.local.errors import BatchError, unsupported
from miniwdl_aws.local.jobs import STATUSES, Job
from miniwdl_aws.local.paging import PAGE, Pages, answer, page_size
from miniwdl_aws.local.queues import Queues
from miniwdl_aws.local.scheduler import Scheduler
from miniwdl_aws.local.store import JobStore
from miniwdl_aws.local.submissions import make_job

_STATUS_PAGE = 1000


class DefinitionCalls:
    """The operations on job definitions.

    Args:
        definitions: all job definitions.
        pages: hands out lists.
    """

    def __init__(self, definitions: Definitions, pages: Pages) -> None:
        self._definitions = definitions
        self._pages = pages
        self.operations: Operations = {
            "RegisterJobDefinition": self._register_definition,
            "DescribeJobDefinitions": self._describe_definitions,
            "DeregisterJobDefinition": self._deregister_definition,
        }

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
            page_size(request, PAGE),
        )
        return answer("jobDefinitions", [each.describe() for each in found], token)

    def _deregister_definition(self, request: Request) -> Answer:
        self._definitions.deregister(request["jobDefinition"])
        return {}


class JobCalls:
    """The operations on jobs.

    Args:
        arns: makes ARNs.
        queues: all queues and compute environments.
        definitions: all job definitions.
        store: all jobs.
        scheduler: runs the jobs.
        pages: hands out lists.
    """

    def __init__(
        self,
        *,
        arns: Arns,
        queues: Queues,
        definitions: Definitions,
        store: JobStore,
        scheduler: Scheduler,
        pages: Pages,
    ) -> None:
        self._arns = arns
        self._queues = queues
        self._definitions = definitions
        self._store = store
        self._scheduler = scheduler
        self._pages = pages
        self.operations: Operations = {
            "SubmitJob": self._submit,
            "DescribeJobs": self._describe_jobs,
            "ListJobs": self._list_jobs,
            "CancelJob": self._cancel,
            "TerminateJob": self._terminate,
        }

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
        size = page_size(request, PAGE if filters else _STATUS_PAGE)
        found, token = self._pages.page(
            lambda: self._jobs_of(queue, request, filters), request.get("nextToken"), size
        )
        return answer("jobSummaryList", [job.summary() for job in found], token)

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
