"""Tests of the inputs of `MiniwdlSubmitOperator`."""

from typing import Any

import pytest

from airflow_provider_miniwdl_aws.operators import MiniwdlSubmitOperator
from miniwdl_aws.errors import InvalidInputError


@pytest.mark.parametrize(
    ("inputs", "arguments"),
    [
        (None, []),
        ({"n": 1, "a": "x"}, ["-i", '{"a": "x", "n": 1}']),
        ("inputs.yaml", ["-i", "inputs.yaml"]),
        (["static.json", {"sample": "S1"}], ["-i", "static.json", "-i", '{"sample": "S1"}']),
    ],
)
def test_inputs_are_layered_in_their_order(inputs: Any, arguments: list[str]) -> None:
    """Static ones first, a sample's after them; the later ones win."""
    task = MiniwdlSubmitOperator(task_id="t", wdl="s3://b/w.wdl", inputs=inputs)
    assert task.miniwdl_arguments() == ["s3://b/w.wdl", *arguments]


def test_inputs_that_are_no_json_are_refused() -> None:
    """A set has no place in JSON."""
    task = MiniwdlSubmitOperator(task_id="t", wdl="s3://b/w.wdl", inputs={"a": {1}})
    with pytest.raises(InvalidInputError, match="cannot be written as JSON"):
        task.miniwdl_arguments()
