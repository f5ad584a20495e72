"""The checker that holds every answer against the service model."""

import json
from typing import Any

import botocore.session
import pytest

from miniwdl_aws.local.endpoint.front import BatchModel
from tests.answers import AnswerChecker, violations


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, None),
        ({"jobName": None}, "jobName is no string"),
        ({"createdAt": "1"}, "createdAt is no long"),
        ({"status": "ASLEEP"}, "status is none of"),
        ({"isCancelled": 0}, "isCancelled is no boolean"),
        ({"startedAt": True}, "startedAt is no long"),
        ({"container": {"vcpus": 0.5}}, "vcpus is no integer"),
        ({"dependsOn": {}}, "dependsOn is no list"),
        ({"tags": {"a": 1}}, "tags['a'] is no string"),
        ({"invented": 1}, "invented is unknown"),
    ],
)
def test_violations_are_found(change: dict[str, Any], complaint: str | None) -> None:
    """A wrong type, an unknown member, a value outside an enumeration: each is one complaint."""
    shape = botocore.session.get_session().get_service_model("batch").shape_for("JobDetail")
    job = {
        "jobName": "n",
        "jobId": "i",
        "jobQueue": "q",
        "status": "FAILED",
        "startedAt": 0,
        "jobDefinition": "d",
    }
    assert list(violations(job, shape)) == []
    found = list(violations({**job, **change}, shape))
    assert [str(complaint) in each for each in found] == ([True] if complaint else [])
    assert list(violations({}, shape)) != []


def test_a_wrong_answer_becomes_an_error_and_is_noted() -> None:
    """Whoever asked sees what is wrong, and so does the session; a right answer passes."""
    found: list[str] = []
    answers = [b'{"jobs":[{"jobId":1}]}', b'{"jobs":[]}']

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [answers.pop(0)]

    checker = AnswerChecker(application, BatchModel(), found)
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/v1/describejobs"}
    statuses: list[str] = []
    bodies = [
        b"".join(checker(environ, lambda status, headers: statuses.append(status))) for _ in "ab"
    ]
    assert statuses == ["500 Internal Server Error", "200 OK"]
    assert "jobId is no string" in json.loads(bodies[0])["message"]
    assert any("jobName is required" in each for each in found)
    assert json.loads(bodies[1]) == {"jobs": []}
