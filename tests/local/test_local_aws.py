"""The local AWS as a whole: its services together, its start, its end."""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from miniwdl_aws.local import LocalAws, LocalAwsError, LocalAwsSettings


def sort_of(aws: LocalAws, make: Callable[..., Any]) -> dict[str, Any]:
    """Make a client of each service that the others use."""
    names = ("s3", "efs", "logs", "sts", "iam", "ecr", "sqs", "events")
    return {name: make(aws, name) for name in names}


def test_one_endpoint_serves_all_services_at_once(bench: Any, make_client: Any) -> None:
    """S3, EFS, Logs, STS, IAM and ECR answer while Batch jobs run, from several threads."""
    clients = sort_of(bench.aws, make_client)
    bucket = bench.aws.bucket
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                key, body = f"together/{number}/{step}", f"{number} {step}".encode() * 1000
                clients["s3"].put_object(Bucket=bucket, Key=key, Body=body)
                assert clients["s3"].get_object(Bucket=bucket, Key=key)["Body"].read() == body
                assert clients["sts"].get_caller_identity()["Account"] == "123456789012"
                points = clients["efs"].describe_access_points()["AccessPoints"]
                assert bench.aws.access_point_id in [each["AccessPointId"] for each in points]
                clients["logs"].describe_log_groups(logGroupNamePrefix="/aws/batch/job")
        except BaseException as error:  # noqa: BLE001 - reported by the test's own thread
            problems.append(error)

    jobs = [bench.shell(f"echo {number}") for number in range(10)]
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    for number, job_id in enumerate(jobs):
        assert bench.lines(bench.wait_for(job_id, "SUCCEEDED")) == [str(number)]
    role = clients["iam"].get_role(RoleName="miniwdl-local")["Role"]
    assert role["Arn"].endswith(":role/miniwdl-local")
    assert clients["ecr"].describe_repositories()["repositories"] == []
    assert clients["sqs"].create_queue(QueueName="q")["QueueUrl"]
    rules = [each["Name"] for each in clients["events"].list_rules()["Rules"]]
    assert "miniwdl-batch-events" in rules


def test_a_job_uses_the_same_endpoint(bench: Any, make_client: Any) -> None:
    """Inside a job, boto3's defaults reach the local AWS: what it writes to S3 is there."""
    script = (
        "import boto3, os; boto3.client('s3').put_object(Bucket='miniwdl-local', "
        "Key=os.environ['AWS_BATCH_JOB_ID'], Body=b'from the job')"
    )
    job_id = bench.submit("python3", "-c", script)
    bench.wait_for(job_id, "SUCCEEDED")
    found = make_client(bench.aws, "s3").get_object(Bucket="miniwdl-local", Key=job_id)
    assert found["Body"].read() == b"from the job"


def test_metadata_of_objects_keeps_its_names(bench: Any, make_client: Any) -> None:
    """Case and underscores of S3's user metadata come back as they were."""
    s3 = make_client(bench.aws, "s3")
    metadata = {"sha256": "1", "with_underscore": "2", "with-dash": "3"}
    s3.put_object(Bucket=bench.aws.bucket, Key="metadata", Body=b"", Metadata=metadata)
    found = s3.head_object(Bucket=bench.aws.bucket, Key="metadata")
    assert found["Metadata"] == metadata


def test_large_objects_go_in_parts_and_ranges(bench: Any, make_client: Any, tmp_path: Path) -> None:
    """A multipart upload and a presigned download give the same bytes."""
    s3 = make_client(bench.aws, "s3")
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 4 * 10_000)
    s3.upload_file(str(source), bench.aws.bucket, "large")
    target = {"Bucket": bench.aws.bucket, "Key": "large"}
    part = s3.get_object(**target, Range="bytes=1000-1999")["Body"].read()
    assert part == source.read_bytes()[1000:2000]
    url = s3.generate_presigned_url("get_object", Params=target)
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - the local AWS's own address
        assert answer.read() == source.read_bytes()


def test_connections_stay_open(bench: Any, make_client: Any) -> None:
    """Many calls of one client, to Batch and to S3, use one connection each."""
    s3 = make_client(bench.aws, "s3")
    s3.put_object(Bucket=bench.aws.bucket, Key="kept", Body=b"1")
    process = psutil.Process()
    port = int(bench.aws.endpoint_url.rsplit(":", 1)[1])

    def local_ports() -> set[int]:
        return {
            each.laddr.port
            for each in process.net_connections("tcp")
            if each.status == psutil.CONN_ESTABLISHED and each.raddr.port == port
        }

    bench.batch.describe_job_queues()
    before = local_ports()
    for _ in range(20):
        s3.head_object(Bucket=bench.aws.bucket, Key="kept")
        bench.batch.describe_job_queues()
    assert local_ports() == before


@pytest.mark.usefixtures("namespaces")
def test_an_access_point_made_through_the_api_works(bench: Any, make_client: Any) -> None:
    """A job sees the root directory of an access point, on a file system of its own."""
    efs = make_client(bench.aws, "efs")
    system = efs.create_file_system(CreationToken=bench.name())["FileSystemId"]
    point = efs.create_access_point(
        ClientToken="t", FileSystemId=system, RootDirectory={"Path": "/deep/root"}
    )["AccessPointId"]

    def volume(name: str, **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "efsVolumeConfiguration": {
                "fileSystemId": system,
                "transitEncryption": "ENABLED",
                **more,
            },
        }

    container = {
        "volumes": [
            volume("point", authorizationConfig={"accessPointId": point, "iam": "ENABLED"}),
            volume("whole"),
        ],
        "mountPoints": [
            {"sourceVolume": "point", "containerPath": "/mnt/point"},
            {"sourceVolume": "whole", "containerPath": "/mnt/whole"},
        ],
    }
    job = bench.wait_for(
        bench.shell("echo 1 >/mnt/point/x; cat /mnt/whole/deep/root/x", container=container)
    )
    assert bench.lines(job) == ["1"]


def test_a_web_page_cannot_run_commands(bench: Any) -> None:
    """A request that a browser sends for a page is refused, by Batch and by the control calls."""
    for path in ("/v1/submitjob", "/_miniwdl_aws_local/counters"):
        request = urllib.request.Request(  # noqa: S310 - the local AWS's own address
            bench.aws.endpoint_url + path,
            data=b"{}",
            headers={"Origin": "http://example.org", "Content-Type": "text/plain"},
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)  # noqa: S310 - as above
        assert caught.value.code == 403
        caught.value.close()


@pytest.mark.usefixtures("namespaces")
def test_jobs_end_with_the_spawner(start_bench: Callable[..., Any]) -> None:
    """If the process that starts jobs is killed, so are they, and none is RUNNING for ever."""
    bench = start_bench(isolation="namespace")
    jobs = [bench.submit("sleep", "1000") for _ in range(3)]
    for job_id in jobs:
        bench.wait_for(job_id, "RUNNING")
    spawner = psutil.Process(bench.aws._executor._launcher._process.pid)
    children = spawner.children()
    spawner.kill()
    for job_id in jobs:
        assert bench.wait_for(job_id, "FAILED")["container"]["exitCode"] == 137
    psutil.wait_procs(children, timeout=20)
    assert not any(child.is_running() for child in children)
    assert bench.wait_for(bench.submit("true"), "FAILED")["statusReason"] == "Task failed to start"


def test_control_calls_give_counters_and_histories(start_bench: Callable[..., Any]) -> None:
    """The endpoint tells over HTTP what it counted and what a job went through."""
    bench = start_bench()
    job_id = bench.submit("true")
    bench.wait_for(job_id, "SUCCEEDED")
    assert bench.aws.counters()["calls"]["SubmitJob"] == 1
    base = f"{bench.aws.endpoint_url}/_miniwdl_aws_local"
    with urllib.request.urlopen(f"{base}/jobs/{job_id}/history") as answer:  # noqa: S310 - as above
        assert b'["SUCCEEDED", ' in answer.read()
    reset = urllib.request.Request(f"{base}/counters/reset", method="POST")  # noqa: S310 - as above
    with urllib.request.urlopen(reset):  # noqa: S310 - as above
        pass
    counters = bench.aws.counters()
    assert [counters[name] for name in ("calls", "throttled", "faults")] == [{}, {}, {}]


def test_stop_leaves_nothing(tmp_path: Path, bench_of: Callable[..., Any]) -> None:
    """No process, no thread, no temporary directory, no listening port."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    threads = set(threading.enumerate())
    aws = LocalAws(LocalAwsSettings(start_delay_seconds=0.0))
    aws.start()
    bench = bench_of(aws)
    jobs = [bench.shell("trap '' TERM; sleep 1000 & wait; sleep 1000") for _ in range(5)]
    waiting = bench.shell("true", dependsOn=[{"jobId": jobs[0]}])
    for job_id in jobs:
        bench.wait_for(job_id, "RUNNING")
    bench.wait_for(waiting, "PENDING")
    root = aws.root
    children = psutil.Process().children(recursive=True)
    started = [process for process in children if process.pid not in before]
    assert len(started) >= 6
    aws.stop()
    assert psutil.wait_procs(started, timeout=20)[1] == []
    assert set(threading.enumerate()) <= threads
    assert not root.exists()
    port = int(aws.endpoint_url.rsplit(":", 1)[1])
    assert port not in {each.laddr.port for each in psutil.Process().net_connections("tcp")}


def test_a_given_root_stays_and_is_one_servers_alone(tmp_path: Path) -> None:
    """Files outlive the server; a second one is refused while the first runs."""
    settings = LocalAwsSettings(root=tmp_path / "state")
    with LocalAws(settings) as aws:
        (aws.efs_dir / "kept").write_text("1")
        with pytest.raises(LocalAwsError, match="in use by another local AWS"):
            LocalAws(settings).start()
    with LocalAws(settings) as aws:
        assert (aws.efs_dir / "kept").read_text() == "1"


def test_two_local_awss_have_jobs_of_their_own(
    start_bench: Callable[..., Any], tmp_path: Path
) -> None:
    """In one process, the jobs and definitions of one are not the other's."""
    one, two = (start_bench(mount_path=str(tmp_path / name)) for name in ("one", "two"))
    job_id = one.submit("true")
    assert two.batch.describe_jobs(jobs=[job_id])["jobs"] == []
    assert one.aws.access_point_id != two.aws.access_point_id
    assert one.aws.efs_dir != two.aws.efs_dir


@pytest.mark.parametrize("host", ["", "::", "192.0.2.1", "example.org"])
def test_only_loopback_unless_told(host: str) -> None:
    """An address that others reach is refused with a sentence that says why and what to set."""
    with pytest.raises(LocalAwsError, match="--allow-remote"):
        LocalAwsSettings(host=host)
    assert LocalAwsSettings(host=host, allow_remote=True).host == host
    for loopback in ("127.0.0.1", "127.8.9.1", "::1", "localhost"):
        assert LocalAwsSettings(host=loopback).host == loopback


@pytest.mark.parametrize(
    "settings", [{"rate": 0}, {"burst": 0.5}, {"latency_ms": -1}, {"stop_timeout_seconds": -1}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    """The message names the setting."""
    with pytest.raises(LocalAwsError, match=next(iter(settings))):
        LocalAwsSettings(**settings)  # type: ignore[arg-type]


def test_what_runs_is_not_started_again(local_aws: LocalAws) -> None:
    """A second start would leave the first one's server and jobs behind."""
    with pytest.raises(LocalAwsError, match="runs already: stop it first"):
        local_aws.start()


def test_a_taken_port_is_named(local_aws: LocalAws) -> None:
    """Starting on it fails with a sentence, and leaves no directory."""
    port = int(local_aws.endpoint_url.rsplit(":", 1)[1])
    second = LocalAws(LocalAwsSettings(port=port))
    with pytest.raises(LocalAwsError, match=f"port {port}"):
        second.start()
    assert not second.root.exists()


def test_deleted_log_streams_do_not_stop_jobs(bench: Any, make_client: Any) -> None:
    """Output for a stream that somebody deleted is dropped, and the job goes on."""
    job_id = bench.shell("echo 1; while ! test -e /mnt/efs/go; do sleep 0.02; done; echo 2")
    job = bench.wait_for(job_id, "RUNNING")
    where = {"logGroupName": "/aws/batch/job", "logStreamName": job["container"]["logStreamName"]}
    logs = make_client(bench.aws, "logs")
    logs.delete_log_stream(**where)
    (bench.aws.efs_dir / "go").touch()
    bench.wait_for(job_id, "SUCCEEDED")
    (bench.aws.efs_dir / "go").unlink()
    with pytest.raises(ClientError):
        logs.get_log_events(**where)
