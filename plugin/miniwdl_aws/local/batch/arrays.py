"""Array jobs: a parent and its children."""

from collections import Counter

from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.batch.jobs import ArrayChildren, Job
from miniwdl_aws.local.batch.lifecycle import STATUSES
from miniwdl_aws.local.batch.reasons import ARRAY_CHILD_FAILED


def spawn(parent: Job, size: int, arns: Arns) -> ArrayChildren:
    """Make the children of an array job.

    They share with their parent all that they have in common, so that ten thousand take little.

    Args:
        parent: the array job.
        size: how many children it has.
        arns: makes their ARNs.
    """
    jobs = [_child(parent, index, arns) for index in range(size)]
    counts = dict.fromkeys(STATUSES, 0) | Counter(job.status for job in jobs)
    return ArrayChildren(jobs, counts, parent.created_at)


def _child(parent: Job, index: int, arns: Arns) -> Job:
    job_id = f"{parent.job_id}:{index}"
    return Job(
        job_id=job_id,
        arn=arns.batch("job", job_id),
        name=parent.name,
        queue=parent.queue,
        definition=parent.definition,
        container=parent.container,
        needs=parent.needs,
        created_at=parent.created_at,
        request=parent.request,
        tags=parent.tags,
        share=parent.share,
        priority=parent.priority,
        parent=parent,
        index=index,
        status="PENDING",  # Batch API, "JobDetail", createdAt
    )


def outcome(parent: Job, children: ArrayChildren) -> tuple[str, str | None]:
    """Return the status of an array job whose children have all ended, and its reason."""
    if parent.stop_reason is not None:
        return "FAILED", parent.stop_reason
    if children.counts["FAILED"]:
        return "FAILED", ARRAY_CHILD_FAILED
    return "SUCCEEDED", None
