"""Batch's operations on job definitions and jobs."""

from collections.abc import Callable
from typing import Any

from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.batch import limits
from miniwdl_aws.local.batch.definitions import Definitions
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.lifecycle import STATUSES
from miniwdl_aws.local.batch.queues import Queues
from miniwdl_aws.local.batch.scheduler import Scheduler
from miniwdl_aws.local.batch.store import JobStore
from miniwdl_aws.local.batch.submissions import make_job
from miniwdl_aws.local.endpoint.calls import Answer, Operations, Request
from miniwdl_aws.local.endpoint.paging import PAGE, Pages, answer, page_size
from miniwdl_aws.local.errors import BatchError, unsupported

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
        shows: tells whether an answer of DescribeJobs has a job.
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
        shows: Callable[[Job], bool],
    ) -> None:
        self._shows = shows
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
            "CancelJobs": self._cancel_several,
            "TerminateJobs": self._terminate_several,
        }

    def _submit(self, request: Request) -> Answer:
        job = make_job(
            request,
            queues=self._queues,
            definitions=self._definitions,
            store=self._store,
            arns=self._arns,
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
        entries = [job.describe_json() for job in found.values() if job and self._shows(job)]
        return b'{"jobs":[' + b",".join(entries) + b"]}"

    def _list_jobs(self, request: Request) -> Answer:
        if request.get("multiNodeJobId"):
            raise unsupported("Listing jobs by multiNodeJobId")
        if bool(request.get("jobQueue")) == bool(request.get("arrayJobId")):
            raise BatchError("One of jobQueue and arrayJobId must be given")
        filters = [] if request.get("arrayJobId") else request.get("filters", [])
        found, token = self._pages.page(
            lambda: self._jobs_of(request, filters),
            request.get("nextToken"),
            page_size(request, PAGE if filters else _STATUS_PAGE),
        )
        return answer("jobSummaryList", [job.summary() for job in found], token)

    def _jobs_of(self, request: Request, filters: list[dict[str, Any]]) -> list[Job]:
        status = request.get("jobStatus")
        if status not in {None, *STATUSES}:
            raise BatchError(f"jobStatus must be one of {', '.join(STATUSES)}, got {status!r}")
        if request.get("arrayJobId"):
            return self._children(request["arrayJobId"], status or "RUNNING")
        queue = self._queues.queue(request["jobQueue"])
        if not filters:
            return self._store.with_status(queue, status or "RUNNING")
        if len(filters) > 1:
            raise BatchError("Only one filter can be used at a time")
        name = filters[0].get("name", "")
        found = self._store.filtered(queue, name, filters[0].get("values", []))
        if name == "SHARE_IDENTIFIER" and status:
            return [job for job in found if job.status == status]
        return found

    def _children(self, job_id: str, status: str) -> list[Job]:
        job = self._store.get(job_id)
        if job is None or job.children is None:
            raise BatchError(f"Array job {job_id} does not exist")
        return [child for child in job.children.jobs if child.status == status]

    def _job(self, request: Request) -> Job:
        job = self._store.get(request["jobId"])
        if job is None:
            raise BatchError(f"Job {request['jobId']} does not exist")
        limits.stop_reason(request["reason"])
        return job

    def _cancel(self, request: Request) -> Answer:
        self._scheduler.cancel(self._job(request), request["reason"])
        return {}

    def _terminate(self, request: Request) -> Answer:
        self._scheduler.terminate(self._job(request), request["reason"])
        return {}

    def _cancel_several(self, request: Request) -> Answer:
        return self._stop_several(request, self._scheduler.cancel)

    def _terminate_several(self, request: Request) -> Answer:
        return self._stop_several(request, self._scheduler.terminate)

    def _stop_several(self, request: Request, stop: Callable[[Job, str], None]) -> Answer:
        """Stop jobs; those that are not found count as stopped (Batch API, "CancelJobs")."""
        limits.stop_reason(request["reason"])
        if not 1 <= len(request["jobs"]) <= limits.MAX_STOPPED_JOBS:
            raise BatchError(
                f"jobs must name from 1 to {limits.MAX_STOPPED_JOBS} jobs, "
                f"got {len(request['jobs'])}"
            )
        for job in filter(None, map(self._store.get, request["jobs"])):
            stop(job, request["reason"])
        return {"successful": list(request["jobs"]), "errors": []}
