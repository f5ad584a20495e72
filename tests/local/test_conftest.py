"""The checker that holds every answer against the service model."""

from collections.abc import Callable
from typing import Any

import botocore.session
import pytest


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
def test_violations_are_found(
    find_violations: Callable[..., list[str]], change: dict[str, Any], complaint: str | None
) -> None:
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
    assert find_violations(job, shape) == []
    found = find_violations({**job, **change}, shape)
    assert [str(complaint) in each for each in found] == ([True] if complaint else [])
    assert find_violations({}, shape) != []
