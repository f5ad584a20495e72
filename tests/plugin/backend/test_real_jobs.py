"""What a backend can break of miniwdl's behaviour, with real jobs of the local AWS.

All workflows run at once, from few workflow jobs: see `driver`. A test looks at what became of one.
"""

import functools
import http.server
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from miniwdl_aws.local import LocalAws
from miniwdl_aws.logs import LOG_GROUP

MOUNT = "/mnt/efs"
GROUP = 1234
"""The group of the workflow job, and by as_user of its task jobs."""

BIG = "x" * 20_000
LETTER = "dear you\n"


WDL_FILES = Path(__file__).parent / "wdl"


@dataclass
class Scenario:
    """A workflow or task, and how it is run, once or several times."""

    wdl: str
    runs: list[dict[str, Any]] = field(default_factory=list)


def once(wdl: str, inputs: dict[str, Any] | None = None, **options: Any) -> Scenario:
    return Scenario(wdl, [{"inputs": inputs or {}, "options": sections(options)}])


def often(wdl: str, *inputs: dict[str, Any], **options: Any) -> Scenario:
    return Scenario(wdl, [{"inputs": each, "options": sections(options)} for each in inputs])


def sections(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        section, key = name.split("__")
        found.setdefault(section, {})[key] = value
    return found


LETTER_INPUT = {"f": "letter.txt"}

SCENARIOS = {
    "copied inputs": once("copied_inputs", LETTER_INPUT, file_io__copy_input_files=True),
    "linked inputs": once("linked_inputs", LETTER_INPUT),
    "inline dockerfile": once("inline_dockerfile"),
    "expected exit code": once("expected_exit_code"),
    "any exit code": once("any_exit_code"),
    "unexpected exit code": once("unexpected_exit_code"),
    "no such command": once("no_such_command"),
    "privileged": once("privileged", task_runtime__allow_privileged=True),
    "as user": once("as_user"),
    "temporary directory": once("temporary_directory", file_io__mount_tmpdir=True),
    "environment": once(
        "environment", {"who": "a 'b'"}, task_runtime__env={"MORE": 'c "d"', "BIG": BIG}
    ),
    "large command": once("large_command", {"big": BIG}),
    "memory": once("memory"),
    "memory limit": once("memory", task_runtime__memory_max="1 GiB"),
    "retry": once("retry"),
    "directories": once("directories", {"d": "folder"}),
    "draft-2": once("draft-2"),
    "1.0": once("1.0"),
    "1.1": once("1.1"),
    "1.2": once("1.2"),
    "development": once("development"),
    "nested workflows": once("nested_workflows"),
    "call cache of a task": often("read_file", LETTER_INPUT, LETTER_INPUT, {"f": "other.txt"}),
    "call cache of a workflow": often("cached", {"who": "a"}, {"who": "a"}, {"who": "b"}),
    "download": often(
        "read_file",
        {"f": "HTTP/letter.txt"},
        {"f": "HTTP/no-such-file"},
        task_runtime__download_defaults={},
    ),
    "download from S3": once("read_file", {"f": "S3/letter.txt"}),
}

OTHERWISE = {
    "fargate": once("fargate"),
    "no place": once("no_place"),
    "small place": once("small_place"),
    "gpu": once("gpu", {"count": 1}),
    "too many GPUs": once("gpu", {"count": 2}),
    "too much memory": once("too_much_memory"),
}
"""With a task queue on Fargate, secrets, and policies by the tasks' names."""

FAULTS = {
    "reclaimed": "spot-reclaim,job=*-reclaimed-*,times=1",
    "hungry": "out-of-memory,job=*-hungry-*,times=1",
    "unmounted": "efs-mount,job=*-unmounted-*,times=1",
    "slow_docker": "docker-timeout,job=*-slow_docker-*,times=1",
    "image_missing": "image-pull,job=*-image_missing-*,reason=CannotPullContainerError: Error "
    "response from daemon: manifest for gone:1 not found: manifest unknown",
    "stuck": "stuck-runnable,job=*-stuck-*,times=1",
}
"""What happens to the jobs of tasks of these names."""

STRUCK = {name: once(name) for name in FAULTS}

HOSTS = {"no efs": once("where")}
"""On a file system that the hosts have."""


class Cloud:
    """The local AWS, and the files that jobs see."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        session = boto3.session.Session(
            region_name=aws.region,
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106  (the local AWS takes any)
        )
        self.client: Any = functools.partial(session.client, endpoint_url=aws.endpoint_url)
        self.batch = self.client("batch")
        self.folder = aws.efs_dir / "real jobs"

    def put(self, path: str, content: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)

    def put_shared_files(self) -> None:
        """Write what all drivers read, before the first of them runs."""
        self.put("driver.py", (Path(__file__).parent / "driver.py").read_text())
        for name, text in (("letter.txt", LETTER), ("other.txt", "x\n")):
            self.put(name, text)
        self.put("folder/letter.txt", LETTER)
        for path in WDL_FILES.glob("*.wdl"):
            self.put(f"wdl/{path.name}", path.read_text())

    def prepare(
        self, group: str, scenarios: dict[str, Scenario], mount: str, places: dict[str, str]
    ) -> list[str]:
        """Write the scenarios of a driver; gives its command."""
        seen = f"{mount}/{self.folder.name}"
        written = {
            name: [
                {
                    "wdl": f"{seen}/wdl/{scenario.wdl}.wdl",
                    "inputs": {
                        key: _place(value, seen, places) for key, value in run["inputs"].items()
                    },
                    "options": run["options"],
                }
                for run in scenario.runs
            ]
            for name, scenario in scenarios.items()
        }
        self.put(f"{group}/scenarios.json", json.dumps(written))
        return ["python3", f"{seen}/driver.py", f"{seen}/{group}"]

    def submit(self, command: list[str], mount: str, **variables: str) -> str:
        """Submit a workflow job that runs a driver."""
        role = "arn:aws:iam::123456789012:role/miniwdl-local"
        efs = {
            "fileSystemId": self.aws.file_system_id,
            "transitEncryption": "ENABLED",
            "authorizationConfig": {"accessPointId": self.aws.access_point_id},
        }
        container: dict[str, Any] = {
            "image": "local",
            "command": command,
            "executionRoleArn": role,
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "2048"},
            ],
            "environment": [{"name": name, "value": value} for name, value in variables.items()],
        }
        if mount == MOUNT:
            container["volumes"] = [{"name": "efs", "efsVolumeConfiguration": efs}]
            container["mountPoints"] = [{"sourceVolume": "efs", "containerPath": MOUNT}]
        if os.geteuid() == 0:
            container["user"] = f"0:{GROUP}"
        definition = self.batch.register_job_definition(
            jobDefinitionName="driver",
            type="container",
            platformCapabilities=["FARGATE"],
            containerProperties=container,
        )
        answer = self.batch.submit_job(
            jobName="driver",
            jobQueue="miniwdl-workflow",
            jobDefinition=definition["jobDefinitionArn"],
        )
        return str(answer["jobId"])

    def wait(self, job_id: str) -> None:
        """Wait for a driver, which must succeed."""
        deadline = time.monotonic() + 300
        while (job := self.describe(job_id))["status"] not in ("SUCCEEDED", "FAILED"):
            assert time.monotonic() < deadline, job
            time.sleep(0.2)
        stream = job["container"]["logStreamName"]
        assert job["status"] == "SUCCEEDED", "\n".join(self.log(stream))

    def describe(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.batch.describe_jobs(jobs=[job_id])["jobs"][0]
        return found

    def log(self, stream: str) -> list[str]:
        events = self.client("logs").get_log_events(
            logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True
        )["events"]
        return [event["message"] for event in events]

    def make_queue(self, name: str, kind: str, max_vcpus: int, *instance_types: str) -> None:
        """Make a job queue with a compute environment of its own."""
        self.batch.create_compute_environment(
            computeEnvironmentName=name,
            type="MANAGED",
            state="ENABLED",
            computeResources={
                "type": kind,
                "maxvCpus": max_vcpus,
                "subnets": ["subnet-1"],
                **({"instanceTypes": list(instance_types)} if instance_types else {}),
            },
        )
        self.batch.create_job_queue(
            jobQueueName=name,
            state="ENABLED",
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": name}],
        )


def _place(value: Any, seen: str, places: dict[str, str]) -> Any:
    """Give the address of an input where the job is."""
    if not isinstance(value, str):
        return value
    for name, address in places.items():
        if value.startswith(f"{name}/"):
            return address + value.removeprefix(name)
    return f"{seen}/{value}" if value in ("letter.txt", "other.txt", "folder") else value


@dataclass
class Run:
    """What became of one run; paths as this process sees them."""

    cloud: Cloud
    outputs: dict[str, Any]
    error: dict[str, Any]
    run_dir: Path

    @property
    def said(self) -> Any:
        assert not self.error, self.error
        (said,) = (value for name, value in self.outputs.items() if name.endswith("said"))
        return said

    @property
    def queues(self) -> list[str]:
        """The queues of its task jobs, in their order."""
        return [job["jobQueue"].rpartition("/real-jobs-")[2] for job in self.jobs]

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """The task jobs of the run, in their order."""
        ids = [path.name.split(".")[1] for path in self.run_dir.rglob("awsBatchJobDetail.*.json")]
        found = [self.cloud.describe(job_id) for job_id in ids]
        return sorted(found, key=lambda job: int(job["createdAt"]))

    def host(self, path: str) -> Path:
        return self.cloud.aws.efs_dir / path.removeprefix(f"{MOUNT}/")


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the standard library's name)
        pass


@pytest.fixture(scope="module")
def cloud(local_aws: LocalAws) -> Iterator[Cloud]:
    found = Cloud(local_aws)
    yield found
    shutil.rmtree(found.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def served(cloud: Cloud) -> Iterator[str]:
    """The folder of all scenarios, on HTTP."""
    handler = functools.partial(Files, directory=str(cloud.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def results(cloud: Cloud, served: str) -> dict[str, list[Run]]:
    """Everything, run once: three workflow jobs at a time."""
    scenarios = dict(SCENARIOS)
    if not shutil.which("aria2c"):
        del scenarios["download"]
    bucket = cloud.aws.bucket
    cloud.client("s3").put_object(Bucket=bucket, Key="real jobs/letter.txt", Body=LETTER.encode())
    places = {"HTTP": served, "S3": f"s3://{bucket}/real jobs"}
    own_root = str(cloud.aws.efs_dir)
    _make_special(cloud)
    common = {"MINIWDL__AWS__RETRY_WAIT": "0", "MINIWDL__AWS__DESCRIBE_PERIOD": "0.2"}
    efs = {
        "MINIWDL__AWS__FSAP": cloud.aws.access_point_id,
        "MINIWDL__AWS__TASK_QUEUE": "miniwdl-task",
    }
    rules = [rule for text in FAULTS.values() for rule in cloud.aws.faults.add(text)]
    groups = {
        "main": (scenarios, MOUNT, {**efs, "MINIWDL__TASK_RUNTIME__AS_USER": "true"}),
        "special": (OTHERWISE, MOUNT, {**efs, **_special(cloud)}),
        "struck": (STRUCK, MOUNT, {**efs, **_struck(cloud)}),
        "hosts": (
            HOSTS,
            own_root,
            {
                "MINIWDL__SCHEDULER__CONTAINER_BACKEND": "aws_batch_job_no_efs",
                "MINIWDL__FILE_IO__ROOT": own_root,
                "MINIWDL__AWS__TASK_QUEUE": "miniwdl-task",
            },
        ),
    }
    cloud.put_shared_files()
    started = [
        cloud.submit(cloud.prepare(group, chosen, mount, places), mount, **common, **variables)
        for group, (chosen, mount, variables) in groups.items()
    ]
    try:
        for job_id in started:
            cloud.wait(job_id)
    finally:
        for rule in rules:
            cloud.aws.faults.remove(rule)
    return {
        name: [_run(cloud, each) for each in runs]
        for group in groups
        for name, runs in json.loads((cloud.folder / group / "results.json").read_text()).items()
    }


def _run(cloud: Cloud, result: dict[str, Any]) -> Run:
    tail = result["run_dir"].partition("/real jobs/")[2]
    return Run(cloud, result["outputs"], result["error"], cloud.folder / tail)


def _make_special(cloud: Cloud) -> None:
    cloud.make_queue("real-jobs-fargate", "FARGATE_SPOT", 64)
    cloud.make_queue("real-jobs-small", "EC2", 1)
    cloud.make_queue("real-jobs-gpu", "EC2", 16, "g4dn.xlarge")
    rules = [
        {"match": "*", "accelerator_type": "nvidia-*-t4", "queue": "real-jobs-gpu"},
        {"match": "with_gpu", "shared_memory": "48 MiB"},
        {"match": "too_much_memory", "queue": "real-jobs-gpu"},
        {"match": "*_place", "queue": "real-jobs-small"},
        {"match": "t", "tags": {"cost": "{run}/{task}"}},
    ]
    cloud.put("policies.json", json.dumps(rules))


def _special(cloud: Cloud) -> dict[str, str]:
    secret = cloud.client("secretsmanager").create_secret(Name="real-jobs", SecretString="hush")
    return {
        "MINIWDL__AWS__TASK_QUEUE": "real-jobs-fargate",
        "MINIWDL__AWS__EXECUTION_ROLE": "arn:aws:iam::123456789012:role/miniwdl-local",
        "MINIWDL__AWS__TASK_SECRETS": f"TOKEN={secret['ARN']}",
        "MINIWDL__AWS__TASK_POLICIES": f"{MOUNT}/real jobs/policies.json",
        "MINIWDL__AWS__RUNNABLE_TIMEOUT": "2",
    }


def _struck(cloud: Cloud) -> dict[str, str]:
    for name in ("real-jobs-spot", "real-jobs-on-demand", "real-jobs-stuck"):
        cloud.make_queue(name, "EC2", 64)
    rules = [
        {"match": "stuck", "queue": "real-jobs-stuck", "fallback_queue": "real-jobs-on-demand"},
        {"match": "hungry", "oom_memory_factor": 2, "oom_memory_cap": "4 GiB"},
    ]
    return {
        "MINIWDL__AWS__TASK_QUEUE": "real-jobs-spot",
        "MINIWDL__AWS__TASK_QUEUE_FALLBACK": "real-jobs-on-demand",
        "MINIWDL__AWS__MEMORY_DELTA": "0",
        "MINIWDL__AWS__RUNNABLE_TIMEOUT": "2",
        "MINIWDL__AWS__TASK_POLICIES": json.dumps(rules),
    }


@pytest.fixture
def result(request: pytest.FixtureRequest, results: dict[str, list[Run]]) -> Run:
    """The only run of a scenario."""
    (run,) = results[request.param]
    return run


def of(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("result", [name], indirect=True, ids=[name])


@of("copied inputs")
def test_copied_inputs_are_the_tasks_own(result: Run) -> None:
    """The command may change its copy; the input stays as it is."""
    assert result.said == "dear you\nmore"
    assert (result.cloud.folder / "letter.txt").read_text() == LETTER


@of("linked inputs")
def test_inputs_are_links_that_jobs_can_follow(result: Run) -> None:
    """Without copying, an input is a link to where it lies."""
    assert result.said == f"{MOUNT}/real jobs/letter.txt"


@of("inline dockerfile")
def test_an_image_to_be_built_is_refused(result: Run) -> None:
    """AWS Batch builds none; no job is submitted, and none is tried again."""
    assert "name it in runtime.docker" in result.error["message"]
    assert result.jobs == []


@pytest.mark.parametrize("result", ["expected exit code", "any exit code"], indirect=True)
def test_expected_exit_codes_are_successes(result: Run) -> None:
    """The job has failed, the task has not."""
    assert not result.error
    assert [job["status"] for job in result.jobs] == ["FAILED"]


@of("unexpected exit code")
def test_other_exit_codes_are_failures(result: Run) -> None:
    """error.json has the exit code, the job and its last words."""
    assert result.error["error"] == "CommandFailed"
    assert result.error["exit_status"] == 4
    assert result.error["jobId"] == result.jobs[0]["jobId"]
    assert result.host(result.error["stderr_file"]).read_text() == "why\n"
    assert result.cloud.log(result.error["logStreamName"]) == ["why"]


@of("no such command")
def test_a_command_that_is_not_there_is_named(result: Run) -> None:
    """The exit code is the shell's, and standard error says which command."""
    assert result.error["exit_status"] == 127
    assert "no-such-command" in result.host(result.error["stderr_file"]).read_text()


@of("privileged")
def test_a_privileged_task_has_a_privileged_job(result: Run) -> None:
    """Where the configuration allows it."""
    assert [job["container"]["privileged"] for job in result.jobs] == [True]


@of("as user")
def test_commands_run_as_the_user_of_the_workflow_job(result: Run) -> None:
    """With as_user, files that a task makes belong to whoever runs the workflow."""
    group = GROUP if os.geteuid() == 0 else os.getegid()
    assert result.said == str(group)
    assert (result.run_dir / "work/made").stat().st_gid == group


@of("temporary directory")
def test_a_temporary_directory_lies_in_the_work_directory(result: Run) -> None:
    """mount_tmpdir gives TMPDIR a place on the shared file system, removed afterwards."""
    assert result.said.endswith("/work/_miniwdl_tmpdir")
    assert not (result.run_dir / "work/_miniwdl_tmpdir").exists()


@of("environment")
def test_variables_of_any_size_and_content_arrive(result: Run) -> None:
    """Those of inputs and of the configuration, beyond what a request can hold."""
    assert result.said == ["a 'b' c \"d\"", str(len(BIG))]
    assert result.jobs[0]["container"]["environment"] == []


@of("large command")
def test_a_command_of_any_size_runs(result: Run) -> None:
    """It travels on the shared file system."""
    assert result.said == str(len(BIG) * 5 + 1)


@pytest.mark.parametrize(
    ("result", "vcpus", "memory"),
    [("memory", "2", "3039"), ("memory limit", "2", "991")],
    indirect=["result"],
)
def test_jobs_ask_for_what_tasks_do(result: Run, vcpus: str, memory: str) -> None:
    """CPUs and memory are the task's, or the configuration's limit."""
    (job,) = result.jobs
    wanted = {each["type"]: each["value"] for each in job["container"]["resourceRequirements"]}
    assert wanted == {"VCPU": vcpus, "MEMORY": memory}


@of("retry")
def test_each_attempt_keeps_its_files_and_streams(result: Run) -> None:
    """Two attempts: two directories, two pairs of streams, two logs; outputs are the second's."""
    assert result.said == "out"
    assert (result.run_dir / "stdout.txt").read_text() == "out\n"
    assert (result.run_dir / "stderr.txt").read_text() == "err\n"
    assert (result.run_dir / "stdout2.txt").read_text() == "out\n"
    assert (result.run_dir / "work1/first").is_file()
    assert not (result.run_dir / "work2/first").exists()
    jobs = result.jobs
    assert [job["status"] for job in jobs] == ["FAILED", "SUCCEEDED"]
    assert [job["jobName"].split("-")[-2] for job in jobs][1] == "try2"
    for job in jobs:
        assert sorted(result.cloud.log(job["container"]["logStreamName"])) == ["err", "out"]


@of("directories")
def test_directories_go_in_and_out(result: Run) -> None:
    """An output directory is linked below out/, and so is a file in it."""
    assert not result.error, result.error
    assert (result.run_dir / "out/made/made/copy.txt").resolve().name == "copy.txt"
    made = result.host(result.outputs["made"])
    assert (result.run_dir / "work/made/copy.txt").read_text() == LETTER
    assert made.name == "made"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("draft-2", "dear draft"),
        ("1.0", ["Ada 1", "Ada 2"]),
        ("1.1", "Ada"),
        ("1.2", "t 1 2.000000"),
        ("development", [["a", "b"]]),
        ("nested workflows", ["n=0", "n=1"]),
    ],
    indirect=["result"],
)
def test_every_version_of_wdl_runs(result: Run, said: Any) -> None:
    """From draft-2 to development, with imports, nested calls and the task's own variables."""
    assert result.said == said


@pytest.mark.parametrize("name", ["call cache of a task", "call cache of a workflow"])
def test_the_call_cache_saves_jobs(results: dict[str, list[Run]], name: str) -> None:
    """Equal inputs are a hit and cost no job; other inputs are a miss."""
    first, again, other = results[name]
    assert first.said == again.said != other.said
    assert [len(run.jobs) for run in (first, again, other)] == [1, 0, 1]


@pytest.mark.skipif(not shutil.which("aria2c"), reason="no aria2c: make containers installs it")
def test_inputs_are_downloaded_by_jobs(results: dict[str, list[Run]]) -> None:
    """A task job downloads a URI; one that is not there fails the run and names it."""
    found, missing = results["download"]
    assert found.said == "dear you"
    assert len(found.jobs) == 2
    assert missing.error["error"] == "DownloadFailed"
    assert "no-such-file" in missing.error["message"]


@of("download from S3")
def test_inputs_on_s3_are_downloaded(result: Run) -> None:
    """An object of the account is an input like any other, and no job downloads it."""
    assert result.said == "dear you"
    assert len(result.jobs) == 1


@of("fargate")
def test_tasks_run_on_fargate_with_secrets(result: Run) -> None:
    """The size is rounded up; the secret is in its variable, and in no description of the job."""
    assert result.said == "hush"
    (job,) = result.jobs
    assert job["platformCapabilities"] == ["FARGATE"]
    wanted = {each["type"]: each["value"] for each in job["container"]["resourceRequirements"]}
    assert wanted == {"VCPU": "1", "MEMORY": "3072"}
    assert "hush" not in json.dumps(job)
    assert job["tags"]["cost"] == "fargate 1/t"


@of("no place")
def test_a_job_that_never_fits_is_given_up_with_the_reason(result: Run) -> None:
    """AWS Batch says why it blocks its queue, and the task's error repeats it."""
    assert result.error["error"] == "TaskNotRun"
    assert "not started within 2 s" in result.error["message"]
    assert "MISCONFIGURATION" in result.error["message"]
    assert len(result.jobs) == 1


@of("small place")
def test_a_job_that_fits_is_not(result: Run) -> None:
    """The queue of the job that was given up runs what fits."""
    assert not result.error


@of("gpu")
def test_a_task_gets_its_gpus_and_shared_memory(result: Run) -> None:
    """A runtime.acceleratorType means a GPU; the policy's size is that of /dev/shm."""
    gpus, shared_memory = result.said
    assert len(gpus.split(",")) == 1
    assert shared_memory == str(48 * 1024)
    wanted = result.jobs[0]["container"]["resourceRequirements"]
    assert {"type": "GPU", "value": "1"} in wanted


@pytest.mark.parametrize("result", ["too many GPUs", "too much memory"], indirect=True)
def test_what_no_instance_has_is_refused(result: Run) -> None:
    """The sizes of instance types are looked up; the reason names them, and no job is submitted."""
    assert result.error["error"] == "TaskNotSubmitted"
    assert "real-jobs-gpu has at most 4 CPUs, 16 GiB and 1 GPUs" in result.error["message"]
    assert "g4dn.xlarge" in result.error["message"]
    assert result.jobs == []


@pytest.mark.parametrize(
    ("result", "queues", "reason"),
    [
        ("reclaimed", ["spot", "on-demand"], "Host EC2"),
        ("hungry", ["spot", "spot"], "OutOfMemoryError"),
        ("unmounted", ["on-demand", "on-demand"], "ResourceInitializationError"),
        ("slow_docker", ["on-demand", "on-demand"], "DockerTimeoutError"),
        ("stuck", ["stuck", "on-demand"], "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"),
    ],
    indirect=["result"],
)
def test_a_failure_that_is_not_the_tasks_is_got_over(
    result: Run, queues: list[str], reason: str
) -> None:
    """Each kind is tried again by its own budget, where the table of failures says."""
    assert result.said == "done"
    assert result.queues == queues
    failed = result.jobs[0]
    told = [failed["statusReason"], failed["container"].get("reason", "")]
    assert reason in "; ".join(told)


@of("hungry")
def test_a_task_that_was_killed_for_memory_gets_more(result: Run) -> None:
    """By the factor and up to the cap of its policy."""
    wanted = [job["container"]["resourceRequirements"] for job in result.jobs]
    memory = [each["value"] for jobs in wanted for each in jobs if each["type"] == "MEMORY"]
    assert memory == ["1024", "2048"]


@of("image_missing")
def test_an_image_that_does_not_exist_is_not_pulled_again(result: Run) -> None:
    """One job, whatever the task's retries, and an error that names the reason."""
    assert result.error["error"] == "TaskImageUnusable"
    assert "manifest unknown" in result.error["message"]
    assert len(result.jobs) == 1


@of("no efs")
def test_another_file_system_is_that_of_the_hosts(result: Run) -> None:
    """Backend aws_batch_job_no_efs mounts the host's directory at the same path."""
    assert result.said == f"{result.run_dir}/work"
    volumes = result.jobs[0]["container"]["volumes"]
    assert [each["host"]["sourcePath"] for each in volumes] == [str(result.cloud.aws.efs_dir)]
