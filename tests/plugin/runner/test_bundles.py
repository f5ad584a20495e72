"""Tests of `miniwdl_aws.runner.bundles`."""

import json
from pathlib import Path

import pytest

from miniwdl_aws.bundle import ENVIRONMENT_FILE, Bundle
from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.runner.bundles import lay_out, variables

BUNDLE = Bundle(
    {
        "source/w.wdl": b"version 1.1\nworkflow w { input { Int a Int b Int c } }\n",
        "inputs-1.json": b'{"w.a": 1, "b": 1}',
    }
)


def test_what_travelled_is_named_where_it_lies(tmp_path: Path) -> None:
    """One file of inputs is left as it is."""
    arguments = ("bundle://source/w.wdl", "--input", "bundle://inputs-1.json", "--no-cache")
    laid = lay_out(BUNDLE, arguments, tmp_path)
    folder = tmp_path / "bundle"
    assert laid == [
        f"{folder}/source/w.wdl", "--input", f"{folder}/inputs-1.json", "--no-cache"
    ]  # fmt: skip
    assert Path(laid[0]).read_bytes() == BUNDLE.files["source/w.wdl"]


def test_several_files_of_inputs_become_one(tmp_path: Path) -> None:
    """The later file wins, under either spelling of a name; miniwdl reads one."""
    here = tmp_path / "in.yaml"
    here.write_text("a: 2\nw.c: 2\n")
    arguments = ("bundle://source/w.wdl", "-i", "bundle://inputs-1.json", "-i", str(here), "c=3")
    laid = lay_out(BUNDLE, arguments, tmp_path)
    assert laid[:2] == [f"{tmp_path}/bundle/source/w.wdl", "c=3"]
    assert laid[2] == "--input"
    assert json.loads(Path(laid[3]).read_text()) == {"a": 2, "b": 1, "w.c": 2}


def test_variables_that_travelled_are_given_to_miniwdl(tmp_path: Path) -> None:
    """They did not fit into the request."""
    assert variables(tmp_path) == {}
    bundle = Bundle({ENVIRONMENT_FILE: b'{"MINIWDL__AWS__TASK_POLICIES": "[]"}'})
    assert lay_out(bundle, ["/mnt/efs/w.wdl"], tmp_path) == ["/mnt/efs/w.wdl"]
    assert variables(tmp_path) == {"MINIWDL__AWS__TASK_POLICIES": "[]"}


def test_a_file_of_inputs_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The message names it."""
    arguments = ("/mnt/efs/w.wdl", "-i", "{}", "-i", f"{tmp_path}/none.json")
    with pytest.raises(InvalidInputError, match=r"none\.json.*does not exist"):
        lay_out(Bundle({}), arguments, tmp_path)
