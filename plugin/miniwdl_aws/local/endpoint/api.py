"""Batch's operations, each by its name."""

from collections.abc import Callable

from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.batch.definitions import Definitions
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.queues import Queues
from miniwdl_aws.local.batch.scheduler import Scheduler
from miniwdl_aws.local.batch.store import JobStore
from miniwdl_aws.local.endpoint.calls import Answer, Operations, Request
from miniwdl_aws.local.endpoint.job_calls import DefinitionCalls, JobCalls
from miniwdl_aws.local.endpoint.paging import Pages
from miniwdl_aws.local.endpoint.resource_calls import PolicyCalls, ResourceCalls
from miniwdl_aws.local.endpoint.tag_calls import TagCalls
from miniwdl_aws.local.errors import unsupported


class BatchApi:
    """Batch's operations.

    Args:
        arns: makes ARNs.
        queues: all queues and compute environments.
        definitions: all job definitions.
        store: all jobs.
        scheduler: runs the jobs.
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
        shows: Callable[[Job], bool] = lambda _: True,
    ) -> None:
        self._scheduler = scheduler
        self._store = store
        pages = Pages()
        jobs = JobCalls(
            arns=arns,
            queues=queues,
            definitions=definitions,
            store=store,
            scheduler=scheduler,
            pages=pages,
            shows=shows,
        )
        self._operations: Operations = {
            **DefinitionCalls(definitions, pages).operations,
            **jobs.operations,
            **ResourceCalls(
                queues=queues, store=store, scheduler=scheduler, pages=pages
            ).operations,
            **PolicyCalls(queues=queues, scheduler=scheduler, pages=pages).operations,
            **TagCalls(arns=arns, queues=queues, definitions=definitions, store=store).operations,
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
            self._store.expire()
            return function(request)
