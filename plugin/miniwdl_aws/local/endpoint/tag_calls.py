"""Batch's operations on tags, of whatever bears them."""

from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.batch import limits
from miniwdl_aws.local.batch.definitions import Definitions
from miniwdl_aws.local.batch.queues import Queues
from miniwdl_aws.local.batch.store import JobStore
from miniwdl_aws.local.endpoint.calls import Answer, Operations, Request
from miniwdl_aws.local.errors import BatchError


class TagCalls:
    """The operations on tags.

    Args:
        arns: makes ARNs.
        queues: all queues and compute environments.
        definitions: all job definitions.
        store: all jobs.
    """

    def __init__(
        self, *, arns: Arns, queues: Queues, definitions: Definitions, store: JobStore
    ) -> None:
        self._arns = arns
        self._queues = queues
        self._definitions = definitions
        self._store = store
        self.operations: Operations = {
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

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
        if kind == "scheduling-policy":
            return self._queues.policies.policy(arn).tags
        job = self._store.get(name) if kind == "job" else None
        if job is None or job.parent is not None:  # Batch API, "TagResource"
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
            for each in {job, *job.family}:
                each.touch()
