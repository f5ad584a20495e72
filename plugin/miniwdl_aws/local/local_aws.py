"""The local AWS as one object: start it, use its environment, stop it."""

import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from miniwdl_aws.local.arns import Arns
from miniwdl_aws.local.batch.definitions import Definitions
from miniwdl_aws.local.batch.jobs import Job
from miniwdl_aws.local.batch.queues import Queues
from miniwdl_aws.local.batch.scheduler import Scheduler
from miniwdl_aws.local.batch.store import JobStore
from miniwdl_aws.local.ending import end_jobs
from miniwdl_aws.local.endpoint.api import BatchApi
from miniwdl_aws.local.endpoint.control import Control
from miniwdl_aws.local.endpoint.front import Front
from miniwdl_aws.local.endpoint.gate import Gate
from miniwdl_aws.local.endpoint.http import HttpServer
from miniwdl_aws.local.endpoint.pacing import Pacer, milliseconds
from miniwdl_aws.local.errors import LocalAwsError
from miniwdl_aws.local.events import Events
from miniwdl_aws.local.execution.executor import Executor
from miniwdl_aws.local.execution.executors import ExecutorMaker
from miniwdl_aws.local.execution.secret_values import SecretStore
from miniwdl_aws.local.execution.tasks import Provisions
from miniwdl_aws.local.faults import Faults
from miniwdl_aws.local.faults.attempts import FaultyRunner
from miniwdl_aws.local.faults.logs import FaultyLogs
from miniwdl_aws.local.faults.placement import Placement
from miniwdl_aws.local.faults.subjects import Visibility
from miniwdl_aws.local.services import moto_locks
from miniwdl_aws.local.services.moto_events import EventBridge
from miniwdl_aws.local.services.moto_services import (
    FileSystems,
    LogStore,
    application,
    check_region,
    ensure_bucket,
    ensure_role,
)
from miniwdl_aws.local.settings import (
    BUCKET,
    FALLBACK_QUEUE,
    TASK_QUEUE,
    WORKFLOW_QUEUE,
    LocalAwsSettings,
)

ACCESS_POINT_PATH = "/miniwdl"
_PATIENCE_SECONDS = 60.0
"""What the end of all jobs may take beyond what was set for each."""

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIALOCALAWS00000000", "AWS_SECRET_ACCESS_KEY": "local"}


# No image is pulled for a process, so any name does; docs/workflow-image.md builds the other.
WORKFLOW_IMAGES = {"process": "miniwdl-aws:local", "container": "miniwdl-aws"}


class LocalAws:
    """AWS on loopback: S3, EFS, CloudWatch Logs, STS, IAM, ECR and more from moto, Batch from us.

    Use it as a context manager, or call ``start`` and ``stop``. All that moto keeps (buckets, logs)
    belongs to the process and is shared by all local AWSs in it; Batch and its jobs are not.

    Example::

        with LocalAws(LocalAwsSettings()) as aws:
            batch = boto3.client("batch", endpoint_url=aws.endpoint_url, region_name=aws.region)

    Args:
        settings: how to set it up; None for the defaults.
    """

    def __init__(self, settings: LocalAwsSettings | None = None) -> None:
        self.settings = settings or LocalAwsSettings()
        self.region = self.settings.region
        self.bucket = BUCKET
        self.endpoint_url = ""
        self.file_system_id = ""
        self.access_point_id = ""
        self.faults = Faults(self.settings.seed)
        self.faults.add(*self.settings.faults)
        self._stack = contextlib.ExitStack()
        self._running = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def efs_dir(self) -> Path:
        """The directory of this machine that is the access point's root."""
        if self._by_path:
            return Path(self.settings.mount_path)
        return self.root / "efs" / "default" / ACCESS_POINT_PATH.lstrip("/")

    @property
    def isolation(self) -> str:
        """What separates jobs from this machine, in a few words."""
        return self._executor.isolation

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a program use this local AWS."""
        return {
            **self._job_environment(self.endpoint_url),
            "MINIWDL__AWS__WORKFLOW_QUEUE": WORKFLOW_QUEUE,
            "MINIWDL__AWS__WORKFLOW_IMAGE": WORKFLOW_IMAGES[self.settings.executor],
            "MINIWDL_AWS_LOCAL_BUCKET": self.bucket,
            "MINIWDL_AWS_LOCAL_EFS_DIR": str(self.efs_dir),
            "MINIWDL_AWS_LOCAL_FSAP": self.access_point_id,
        }

    def start(self) -> None:
        """Start to listen, with its queues, file system, bucket, role and log group made.

        Raises:
            LocalAwsError: the address is taken, there is no such region, the isolation asked for is
                not to be had, or it runs already.
        """
        if self._running:
            raise LocalAwsError(f"the local AWS at {self.endpoint_url} runs already: stop it first")
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        self._running = True

    def stop(self) -> None:
        """Stop listening and end all jobs; remove the state directory if it was temporary."""
        self._stack.close()
        self._running = False

    def counters(self) -> dict[str, Any]:
        """Return what was counted since the start or the last reset.

        Returns:
            ``calls`` and ``throttled`` (refused for the rate) by operation, ``faults`` by kind,
            and ``events`` (sent) by their type.
        """
        return {
            **self._pacer.counters(),
            "faults": self.faults.counters(),
            "events": self._events.counters(),
        }

    def reset_counters(self) -> None:
        """Count from zero; rates and faults go on as they are."""
        self._pacer.reset()
        self.faults.reset_counters()
        self._events.reset()

    def end_jobs(self, reason: str) -> None:
        """Terminate every job that has not ended, and wait until all have.

        Args:
            reason: becomes the jobs' status reason.

        Raises:
            LocalAwsError: some jobs do not end.
        """
        patience = self.settings.start_delay_seconds + self.settings.stop_timeout_seconds
        end_jobs(
            self._all_jobs,
            lambda job: self._scheduler.terminate(job, reason),
            patience + _PATIENCE_SECONDS,
        )

    def job_history(self, job_id: str) -> list[tuple[str, int]] | None:
        """Return every status that a job had and its time in milliseconds since 1970."""
        with self._scheduler.lock:
            job = self._store.get(job_id)
            return list(job.history) if job else None

    def _all_jobs(self) -> list[Job]:
        with self._scheduler.lock:
            return list(self._store)

    @property
    def _by_path(self) -> bool:
        """Whether jobs find the file system at its own path."""
        return not self._executor.mounts

    def _start(self, stack: contextlib.ExitStack) -> None:
        check_region(self.region)
        self.root = self._make_root(stack)
        arns = Arns(self.region)
        queues = Queues(arns, milliseconds)
        self._pacer = Pacer(
            latency=self.settings.latency,
            rates=self.settings.all_rates,
            seed=self.settings.seed,
        )
        self._store = JobStore(milliseconds, self.settings.job_retention_seconds)
        self._make_events(stack)
        server = HttpServer(self.settings.host, self.settings.port)
        stack.callback(server.close)
        self.endpoint_url = server.url
        file_systems = FileSystems(self.region, self.root / "efs")
        logs = FaultyLogs(LogStore(self.region))
        self._executor = self._make_executor(file_systems, logs)
        stack.callback(self._executor.close)
        self._make_file_system(file_systems, stack)
        self._scheduler = self._make_scheduler(queues, arns, logs)
        self._make_resources(queues, arns)
        server.start(self._make_front(queues, arns), self.settings.server_threads)

    def _make_events(self, stack: contextlib.ExitStack) -> None:
        self._events = Events(EventBridge(self.region), self.faults, self.region)
        stack.callback(self._events.close)
        self._store.observe(self._events.observe)
        self._store.observe_blocks(self._events.observe_block)

    def _make_executor(self, file_systems: FileSystems, logs: FaultyLogs) -> Executor[Any]:
        secrets = SecretStore(self.region)
        return ExecutorMaker(
            settings=self.settings,
            root=self.root,
            endpoint_url=self.endpoint_url,
            provide=lambda url: Provisions(file_systems, secrets, self._job_environment(url)),
            logs=logs,
        ).make()

    def _make_scheduler(self, queues: Queues, arns: Arns, logs: FaultyLogs) -> Scheduler:
        placement = Placement(self.faults, self._pacer, time.monotonic)
        self._store.observe(placement.observe)
        scheduler = Scheduler(
            store=self._store,
            queues=queues,
            runner=FaultyRunner(self._executor, self.faults, logs),
            arns=arns,
            start_delay_seconds=self.settings.start_delay_seconds,
            placement=placement,
        )
        self.faults.observe(scheduler.reschedule)
        return scheduler

    def _make_front(self, queues: Queues, arns: Arns) -> Front:
        api = BatchApi(
            arns=arns,
            queues=queues,
            definitions=Definitions(arns, images=self.settings.executor == "container"),
            store=self._store,
            scheduler=self._scheduler,
            shows=Visibility(self.faults).shows,
        )
        return Front(
            api=api,
            gate=Gate(self._pacer, self.faults),
            others=application(),
            locks=moto_locks.BY_SERVICE,
            control=Control(self),
        )

    def _job_environment(self, endpoint_url: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            **CREDENTIALS,
        }

    def _make_root(self, stack: contextlib.ExitStack) -> Path:
        if self.settings.root is not None:
            root = self.settings.root
            root.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_only_user(root))
            shutil.rmtree(root / "scratch", ignore_errors=True)  # what a crash may have left
            return root.resolve()
        root = Path(tempfile.mkdtemp(prefix="miniwdl-aws-local-"))
        root.chmod(0o755)  # jobs of other users need to pass
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        return root

    def _make_file_system(self, systems: FileSystems, stack: contextlib.ExitStack) -> None:
        base, path = self.root / "efs" / "default", ACCESS_POINT_PATH
        if self._by_path:
            base, path = Path(self.settings.mount_path), "/"
        try:
            self.efs_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LocalAwsError(
                f"the directory {self.efs_dir} for the file system cannot be made: {error}; "
                "without namespaces it must be the path at which jobs mount it; choose "
                "another with --mount-path (mount_path)"
            ) from error
        self.file_system_id, self.access_point_id = systems.create(base, path)
        stack.callback(systems.delete, self.file_system_id, self.access_point_id)

    def _make_resources(self, queues: Queues, arns: Arns) -> None:
        ensure_bucket(self.region)
        role = ensure_role()
        for name, kind in (("miniwdl-fargate", "FARGATE"), ("miniwdl-ec2", "EC2")):
            queues.create_environment(
                {
                    "computeEnvironmentName": name,
                    "type": "MANAGED",
                    "computeResources": {"type": kind, "maxvCpus": self.settings.max_vcpus},
                }
            )
        tags = {
            "DefaultTaskQueue": arns.batch("job-queue", TASK_QUEUE),
            "DefaultTaskQueueFallback": arns.batch("job-queue", FALLBACK_QUEUE),
            "DefaultFsap": self.access_point_id,
            "WorkflowEngineRoleArn": role,
        }
        for name, environment, own_tags in (
            (WORKFLOW_QUEUE, "miniwdl-fargate", tags),
            (TASK_QUEUE, "miniwdl-ec2", {}),
            (FALLBACK_QUEUE, "miniwdl-ec2", {}),
        ):
            queues.create_queue(
                {
                    "jobQueueName": name,
                    "priority": 1,
                    "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": environment}],
                    "tags": own_tags,
                }
            )


@contextlib.contextmanager
def _only_user(root: Path) -> Iterator[None]:
    """Keep a second local AWS away from a state directory."""
    with (root / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LocalAwsError(
                f"the state directory {root} is in use by another local AWS; stop that one, or "
                "choose another --root"
            ) from error
        yield
