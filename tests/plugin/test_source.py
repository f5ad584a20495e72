"""Tests of `miniwdl_aws.source`."""

import json
import logging
from pathlib import Path

import pytest
import WDL
import WDL.Zip

from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.source import PackedRun, pack

MAIN = """version 1.1
import "tasks/greet.wdl" as lib
workflow hello {
  input { String name  Array[File] reads = []  Int? count }
  call lib.greet { input: name }
  output { File greeting = greet.greeting }
}
"""

TASKS = """version 1.1
task greet {
  input { String name }
  command <<< echo "~{name}" >>>
  output { File greeting = stdout() }
}
"""


@pytest.fixture
def wdl(tmp_path: Path) -> Path:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "greet.wdl").write_text(TASKS)
    path = tmp_path / "hello.wdl"
    path.write_text(MAIN)
    return path


OBJECTS: dict[str, bytes] = {
    "s3://b/wdl/hello.wdl": MAIN.replace('"tasks/', '"../tasks/').encode(),
    "s3://b/tasks/greet.wdl": TASKS.encode(),
    "s3://b/inputs.json": b'{"name": "Ada"}',
}


def packed(*arguments: object) -> PackedRun:
    given = [str(argument) for argument in arguments]
    return pack(given, mount="/mnt/efs", read_object=OBJECTS.__getitem__)


def test_a_local_source_travels_with_its_imports(wdl: Path) -> None:
    """The job needs nothing of the submitting machine."""
    run = packed(wdl, "name=Ada")
    assert run.arguments == ("bundle://source/hello.wdl", "name=Ada")
    assert run.bundle is not None
    assert {"source/hello.wdl", "source/tasks/greet.wdl"} <= set(run.bundle.files)
    assert run.name == "hello"


def test_an_import_from_above_the_source_travels_too(tmp_path: Path, wdl: Path) -> None:
    """Shared task files often lie beside the folder of the workflow."""
    nested = tmp_path / "workflows"
    nested.mkdir()
    (nested / "hello.wdl").write_text(wdl.read_text().replace('"tasks/', '"../tasks/'))
    run = packed(nested / "hello.wdl", "name=Ada")
    assert run.bundle is not None
    assert sum(name.endswith("greet.wdl") for name in run.bundle.files) == 1


@pytest.mark.parametrize("flag", ["-i", "--input", "--input="])
def test_an_inputs_file_travels_wherever_it_stands(wdl: Path, flag: str) -> None:
    """``-i inputs.json wf.wdl`` takes the WDL for the WDL, and ships the inputs."""
    inputs = wdl.parent / "inputs.json"
    inputs.write_text('{"hello.name": "Ada"}')
    given = [f"--input={inputs}"] if flag.endswith("=") else [flag, str(inputs)]
    for arguments in ([*given, wdl], [wdl, *given]):
        run = packed(*arguments)
        assert run.bundle is not None
        assert json.loads(run.bundle.files["inputs.json"]) == {"hello.name": "Ada"}
        assert "bundle://source/hello.wdl" in run.arguments
        assert any(argument.endswith("bundle://inputs.json") for argument in run.arguments)
        assert not any(str(wdl.parent) in argument for argument in run.arguments)


def test_inputs_given_as_json_become_the_same_file(wdl: Path) -> None:
    """An operator gives a dictionary, a person a file; the job sees no difference."""
    inputs = wdl.parent / "i.yaml"
    inputs.write_text("name: Ada\ncount: 3\n")
    by_file, by_value = packed(wdl, "-i", inputs), packed(wdl, "-i", '{"count": 3, "name": "Ada"}')
    assert by_file == by_value


def test_a_source_on_s3_is_checked_and_travels_with_its_imports() -> None:
    """Relative imports are found beside it, and its inputs may lie on S3, too."""
    run = packed("s3://b/wdl/hello.wdl", "-i", "s3://b/inputs.json")
    assert run.arguments == ("bundle://source/hello.wdl", "-i", "bundle://inputs.json")
    assert run.bundle is not None
    assert any(name.endswith("greet.wdl") for name in run.bundle.files)
    assert "missing required inputs" in refused("s3://b/wdl/hello.wdl")


def test_an_archive_made_by_miniwdl_travels_as_it_is(wdl: Path) -> None:
    """It is checked, and the job opens it."""
    archive = wdl.parent / "hello.zip"
    WDL.Zip.build(WDL.load(str(wdl)), str(archive), logging.getLogger())
    run = packed(archive, "name=Ada")
    assert run.arguments == ("bundle://source.zip", "name=Ada")
    assert run.bundle is not None
    assert run.bundle.files == {"source.zip": archive.read_bytes()}


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    """Not every zip holds a workflow."""
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK")
    assert "no archive made by `miniwdl zip`" in refused(path)


def test_a_source_that_the_job_can_open_is_left_to_it() -> None:
    """A web address is passed through."""
    source = "https://host/x/hello.wdl"
    run = packed(source, "name=Ada")
    assert run == PackedRun(name="hello", arguments=(source, "name=Ada"), bundle=None)


def test_a_source_on_the_shared_file_system_is_left_to_the_job() -> None:
    """It need not exist here."""
    assert packed("/mnt/efs/wdl/x.wdl").arguments == ("/mnt/efs/wdl/x.wdl",)


def refused(*arguments: object) -> str:
    with pytest.raises(InvalidInputError) as caught:
        packed(*arguments)
    return str(caught.value)


def test_a_source_that_does_not_type_check_is_refused_with_its_place(wdl: Path) -> None:
    """The message has file, line and column."""
    wdl.write_text(MAIN.replace("input: name", "input: name = 1 + true"))
    message = refused(wdl, "name=Ada")
    assert "hello.wdl (line 5, column" in message


def test_a_syntax_error_in_an_import_is_refused_with_its_place(wdl: Path) -> None:
    """It is the imported file that is named."""
    (wdl.parent / "tasks" / "greet.wdl").write_text("version 1.1\ntask greet {")
    assert "greet.wdl (line 2" in refused(wdl, "name=Ada")


def test_a_failing_import_is_refused_with_the_importing_place(wdl: Path) -> None:
    """A typo in an import names the line of the import."""
    wdl.write_text(MAIN.replace("greet.wdl", "gret.wdl"))
    assert "hello.wdl (line 2" in refused(wdl, "name=Ada")


def test_a_missing_source_is_refused_with_the_nearest_name(wdl: Path) -> None:
    """A typo is answered with what was probably meant."""
    message = refused(wdl.parent / "helo.wdl")
    assert f"Did you mean {wdl}?" in message


def test_a_misspelled_input_is_refused_with_the_nearest_name(wdl: Path) -> None:
    """On the command line and in JSON alike."""
    assert "Did you mean count?" in refused(wdl, "name=Ada", "cuont=3")
    assert "Did you mean count?" in refused(wdl, "-i", '{"hello.name": "A", "hello.cuont": 3}')


def test_a_missing_input_is_refused_with_what_is_required(wdl: Path) -> None:
    """The message lists the required inputs."""
    message = refused(wdl)
    assert "missing required inputs for hello: name" in message
    assert "Required inputs of hello: name." in message


@pytest.mark.parametrize("given", ["count=many", '{"name": "A", "count": "many"}'])
def test_an_input_of_the_wrong_type_is_refused(wdl: Path, given: str) -> None:
    """Types are checked before a job is submitted."""
    arguments = ("-i", given) if given.startswith("{") else ("name=A", given)
    assert "many" in refused(wdl, *arguments)


def test_a_file_of_this_machine_is_refused_as_an_input(wdl: Path) -> None:
    """The job would not find it, an hour later."""
    message = refused(wdl, "name=A", "reads=/home/ada/reads.bam")
    assert "/home/ada/reads.bam" in message
    assert "not visible to the job" in message
    packed(wdl, "name=A", "reads=s3://b/reads.bam", "reads=/mnt/efs/reads.bam")


def test_a_missing_inputs_file_is_refused(wdl: Path) -> None:
    """With the path that was tried."""
    assert "no.json" in refused(wdl, "-i", wdl.parent / "no.json")


@pytest.mark.parametrize("text", ["[1]", "{", "a: [", "7"])
def test_inputs_that_are_no_object_are_refused(wdl: Path, text: str) -> None:
    """Damaged JSON ends in a sentence."""
    path = wdl.parent / "bad.json"
    path.write_text(text)
    assert "bad.json" in refused(wdl, "-i", path)


def test_an_unknown_task_is_refused(wdl: Path) -> None:
    """``--task`` of a task that the document does not have."""
    assert "nope" in refused(wdl, "--task", "nope")
