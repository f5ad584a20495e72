"""Batch's operations on compute environments, job queues and scheduling policies."""

from miniwdl_aws.local.batch.lifecycle import ENDED, STATUSES
from miniwdl_aws.local.batch.queues import Queues
from miniwdl_aws.local.batch.scheduler import Scheduler
from miniwdl_aws.local.batch.store import JobStore
from miniwdl_aws.local.endpoint.calls import Answer, Operations, Request
from miniwdl_aws.local.endpoint.paging import PAGE, Pages, answer, page_size
from miniwdl_aws.local.errors import BatchError


class ResourceCalls:
    """The operations on compute environments and job queues.

    Args:
        queues: all queues and compute environments.
        store: all jobs.
        scheduler: runs the jobs.
        pages: hands out lists.
    """

    def __init__(
        self, *, queues: Queues, store: JobStore, scheduler: Scheduler, pages: Pages
    ) -> None:
        self._queues = queues
        self._store = store
        self._scheduler = scheduler
        self._pages = pages
        self.operations: Operations = {
            "CreateComputeEnvironment": self._create_environment,
            "DescribeComputeEnvironments": self._describe_environments,
            "UpdateComputeEnvironment": self._update_environment,
            "DeleteComputeEnvironment": self._delete_environment,
            "CreateJobQueue": self._create_queue,
            "DescribeJobQueues": self._describe_queues,
            "UpdateJobQueue": self._update_queue,
            "DeleteJobQueue": self._delete_queue,
        }

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
            page_size(request, PAGE),
        )
        return answer("computeEnvironments", [each.describe() for each in found], token)

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
            page_size(request, PAGE),
        )
        return answer("jobQueues", [each.describe() for each in found], token)

    def _update_queue(self, request: Request) -> Answer:
        queue = self._queues.update_queue(request)
        self._scheduler.reschedule()
        return {"jobQueueName": queue.name, "jobQueueArn": queue.arn}

    def _delete_queue(self, request: Request) -> Answer:
        queue = self._queues.delete_queue(request["jobQueue"])
        if queue is not None:
            for status in set(STATUSES) - ENDED:
                for job in self._store.with_status(queue, status):
                    self._scheduler.terminate(job, "JobQueue deleted")
        return {}


class PolicyCalls:
    """The operations on scheduling policies.

    Args:
        queues: all queues and scheduling policies.
        scheduler: runs the jobs.
        pages: hands out lists.
    """

    def __init__(self, *, queues: Queues, scheduler: Scheduler, pages: Pages) -> None:
        self._queues = queues
        self._scheduler = scheduler
        self._pages = pages
        self.operations: Operations = {
            "CreateSchedulingPolicy": self._create,
            "DescribeSchedulingPolicies": self._describe,
            "ListSchedulingPolicies": self._list,
            "UpdateSchedulingPolicy": self._update,
            "DeleteSchedulingPolicy": self._delete,
        }

    def _create(self, request: Request) -> Answer:
        policy = self._queues.policies.create(request)
        return {"name": policy.name, "arn": policy.arn}

    def _describe(self, request: Request) -> Answer:
        if len(request["arns"]) > PAGE:
            raise BatchError(f"arns must name at most {PAGE} policies, got {len(request['arns'])}")
        found = self._queues.policies.policies(request["arns"])
        return {"schedulingPolicies": [policy.describe() for policy in found]}

    def _list(self, request: Request) -> Answer:
        found, token = self._pages.page(
            self._queues.policies.policies, request.get("nextToken"), page_size(request, PAGE)
        )
        return answer("schedulingPolicies", [{"arn": policy.arn} for policy in found], token)

    def _update(self, request: Request) -> Answer:
        self._queues.policies.update(request)
        self._scheduler.reschedule()
        return {}

    def _delete(self, request: Request) -> Answer:
        self._queues.delete_policy(request["arn"])
        return {}
