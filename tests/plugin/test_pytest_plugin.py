"""The pytest plugin, in sessions of its own."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

IMPORTS_NOTHING = """
import sys

def test_nothing_heavy_is_there():
    assert "miniwdl_aws.pytest_plugin" in sys.modules
    assert not {"boto3", "botocore", "moto", "WDL", "miniwdl_aws.local"} & set(sys.modules)
"""

LEAVES_NOTHING = """
import os
import boto3
import pytest

@pytest.fixture
def batch(local_aws_environment):
    assert os.environ["AWS_ENDPOINT_URL"] == local_aws_environment["AWS_ENDPOINT_URL"]
    assert "AWS_PROFILE" not in os.environ and "AWS_ENDPOINT_URL_S3" not in os.environ
    return boto3.client("batch")

def submit(batch, name, **more):
    return batch.submit_job(
        jobName=name, jobQueue="miniwdl-task", jobDefinition="stubborn", **more
    )["jobId"]

jobs = []

def test_one(batch, clean_local_aws):
    resources = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
    batch.register_job_definition(
        jobDefinitionName="stubborn",
        type="container",
        containerProperties={
            "image": "any",
            "command": ["sh", "-c", "trap '' TERM; sleep 1000 & wait; sleep 1000"],
            "resourceRequirements": resources,
        },
    )
    jobs.append(submit(batch, "runs"))
    jobs.append(submit(batch, "waits", dependsOn=[{"jobId": jobs[0]}]))
    status = ""
    while status != "RUNNING":
        status = batch.describe_jobs(jobs=jobs[:1])["jobs"][0]["status"]

def test_environment_is_as_before():
    assert os.environ["AWS_PROFILE"] == "elsewhere"
    assert os.environ["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:9"
    assert "AWS_ENDPOINT_URL" not in os.environ

def test_two(clean_local_aws, batch):
    assert clean_local_aws.counters()["calls"] == {}
    for job in batch.describe_jobs(jobs=jobs)["jobs"]:
        assert (job["status"], job["statusReason"]) == ("FAILED", "The test has ended")
"""

HAS_NO_EXTRA = """
import sys

sys.modules["moto"] = None

def test_it_needs_moto(local_aws):
    pass
"""


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "elsewhere")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def test_without_its_fixtures_it_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    """Every pytest session of an environment that has the plugin loads it."""
    pytester.makepyfile(IMPORTS_NOTHING)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_test_leaves_no_environment_no_counts_and_no_jobs(pytester: pytest.Pytester) -> None:
    """Also a job that ignores SIGTERM, and one that waits for it, has ended before the next."""
    pytester.makepyfile(LEAVES_NOTHING)
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=3)


def test_without_the_extra_it_says_what_to_install(pytester: pytest.Pytester) -> None:
    """The fixture fails with a sentence, and the session goes on."""
    pytester.makepyfile(HAS_NO_EXTRA)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*needs moto*, which is not installed: pip install*local*"])


def test_the_example_of_the_page_passes(pytester: pytest.Pytester) -> None:
    """`docs/local-aws.md` shows tests that run as they stand there."""
    page = (ROOT / "docs" / "local-aws.md").read_text()
    shown = page.split("<!-- pytest -->\n```python\n")[1].split("```\n<!-- /pytest -->")[0]
    pytester.makepyfile(shown)
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)
