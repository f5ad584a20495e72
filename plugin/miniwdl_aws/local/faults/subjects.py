"""What rules for faults of jobs are held against."""

from dataclasses import dataclass

from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.faults.book import Faults
from miniwdl_aws.local.faults.kinds import Stage
from miniwdl_aws.local.faults.rules import Subject


def subject_of(job: Job, status: str | None = None) -> Subject:
    """Say what rules are held against: a job and its attempt, or its new status."""
    attempt = len(job.attempts) + 1
    environment = job.environment
    return Subject(
        key=f"{job.name}:{job.index}:{status or attempt}",
        job=job.name,
        queue=job.queue.name,
        fargate=environment.fargate if environment else job.queue.fargate,
        attempt=attempt,
        status=status,
    )


@dataclass(frozen=True)
class Visibility:
    """Says which jobs an answer of DescribeJobs leaves out.

    Args:
        faults: the rules.
    """

    faults: Faults

    def shows(self, job: Job) -> bool:
        """Tell whether the answer has the job."""
        subject = Subject(f"{job.name}:described", job=job.name, queue=job.queue.name)
        return not self.faults.strikes(Stage.DESCRIBE, subject)
