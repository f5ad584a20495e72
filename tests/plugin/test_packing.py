"""Tests of `miniwdl_aws.packing`: what is checked of a run, and how it travels."""

import configparser
import http.server
import io
import itertools
import json
import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import WDL
import WDL.Zip

from miniwdl_aws.errors import InvalidInputError
from miniwdl_aws.packing import PackedRun, Surroundings, pack
from miniwdl_aws.shared import SharedFileSystem

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


def packed(*arguments: object, here: str = "", **environ: str) -> PackedRun:
    around = Surroundings(
        shared=SharedFileSystem("/mnt/efs", here),
        read_object=OBJECTS.__getitem__,
        environ=environ,
        secrets={"LICENCE": "arn"},
    )
    return pack([str(argument) for argument in arguments], around)


def inputs_of(run: PackedRun) -> dict[str, Any]:
    assert run.bundle is not None
    assert run.arguments[-2:] == ("--input", "bundle://inputs.json")
    content = json.loads(run.bundle.files["inputs.json"])
    assert isinstance(content, dict)
    return content


def test_a_local_source_travels_with_its_imports(wdl: Path) -> None:
    """The job needs nothing of the submitting machine."""
    run = packed(wdl, "name=Ada")
    assert run.arguments[0] == "bundle://source/hello.wdl"
    assert inputs_of(run) == {"hello.name": "Ada"}
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
    assert inputs_of(run) == {"hello.name": "Ada"}
    assert run.bundle is not None
    assert any(name.endswith("greet.wdl") for name in run.bundle.files)
    assert "missing required inputs" in refused("s3://b/wdl/hello.wdl")


def test_an_archive_made_by_miniwdl_travels_as_it_is(wdl: Path) -> None:
    """It is checked, and the job opens it."""
    archive = wdl.parent / "hello.zip"
    WDL.Zip.build(WDL.load(str(wdl)), str(archive), logging.getLogger())
    run = packed(archive, "name=Ada")
    assert run.arguments[0] == "bundle://source.zip"
    assert inputs_of(run) == {"hello.name": "Ada"}
    assert run.bundle is not None
    assert run.bundle.files["source.zip"] == archive.read_bytes()


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


def test_options_may_stand_anywhere(wdl: Path) -> None:
    """``-i inputs.json`` between source and inputs is what people type."""
    inputs = wdl.parent / "inputs.json"
    inputs.write_text('{"name": "Ada"}')
    run = packed("-i", inputs, "--no-cache", wdl, "--verbose", "count=3")
    assert inputs_of(run) == {"hello.name": "Ada", "hello.count": 3}
    assert {"--no-cache", "--verbose"} < set(run.arguments)


def test_later_files_of_inputs_win_and_arguments_win_over_all(wdl: Path) -> None:
    """Static inputs first, a sample's next, what was typed last; under either spelling."""
    static, sample = wdl.parent / "static.yaml", wdl.parent / "sample.json"
    static.write_text("name: nobody\nreads: [s3://b/a]\nhello.count: 1\n")
    sample.write_text('{"hello.name": "Ada", "count": 2}')
    run = packed(wdl, "-i", static, "-i", sample, "count=3")
    assert inputs_of(run) == {
        "hello.name": "Ada",
        "hello.reads": ["s3://b/a"],
        "hello.count": 3,
    }


def test_every_way_of_giving_an_input_is_miniwdls(wdl: Path) -> None:
    """Repeated keys, --empty and --none, and changes of a task's runtime."""
    run = packed(
        wdl, "name=", "Ada", "reads=s3://b/1", "reads=s3://b/2", "--none", "count",
        "greet.runtime.cpu=2",
    )  # fmt: skip
    assert inputs_of(run) == {
        "hello.name": "Ada",
        "hello.reads": ["s3://b/1", "s3://b/2"],
        "hello.count": None,
        "hello.greet.runtime.cpu": 2,
    }
    assert inputs_of(packed(wdl, "--empty", "name"))["hello.name"] == ""


def test_inputs_that_only_the_job_can_read_are_layered_there(wdl: Path) -> None:
    """One file of this machine, one of the shared file system: the order stays."""
    run = packed(wdl, "-i", '{"name": "Ada"}', "-i", "/mnt/efs/in.json", "count=3")
    assert run.arguments == (
        "bundle://source/hello.wdl", "count=3",
        "--input", "bundle://inputs-1.json", "--input", "/mnt/efs/in.json",
    )  # fmt: skip
    assert run.bundle is not None
    assert json.loads(run.bundle.files["inputs-1.json"]) == {"name": "Ada"}
    assert "nobody" in refused(wdl, "-i", "/mnt/efs/in.json", "nobody=3")


def test_inputs_come_from_standard_input_too(wdl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-i -`` is miniwdl's, and the job has no such standard input."""
    monkeypatch.setattr("sys.stdin", io.StringIO('{"name": "Ada"}'))
    assert inputs_of(packed(wdl, "-i", "-")) == {"hello.name": "Ada"}


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("a.json", '{\n  "name": "Ada"\n  "count": 3\n}', "line 3, column 3"),
        ("a.yaml", "name: Ada\ncount: [1\nx: 2", "line 3"),
        ("a.yaml", "name: Ada\nname: Bob", "line 2, column 1"),
    ],
)
def test_damaged_inputs_are_refused_with_the_line(
    wdl: Path, name: str, text: str, place: str
) -> None:
    """Whoever wrote it finds it."""
    path = wdl.parent / name
    path.write_text(text)
    message = refused(wdl, "-i", path)
    assert str(path) in message
    assert place in message


def test_inputs_that_cannot_be_read_are_refused_with_the_reason(wdl: Path) -> None:
    """A directory, and bytes that are no text."""
    assert "Is a directory" in refused(wdl, "-i", wdl.parent)
    path = wdl.parent / "x.json"
    path.write_bytes(b"\xff\xfe{")
    assert "no text in UTF-8" in refused(wdl, "-i", path)
    assert f"Did you mean {path}?" in refused(wdl, "-i", wdl.parent / "xx.json")


def test_a_date_in_yaml_is_the_text_that_it_was(wdl: Path) -> None:
    """YAML takes 2026-01-01 for a date; WDL has none."""
    path = wdl.parent / "d.yaml"
    path.write_text("name: 2026-01-01\n")
    assert inputs_of(packed(wdl, "-i", path)) == {"hello.name": "2026-01-01"}


def test_a_directory_is_refused_as_a_source(wdl: Path) -> None:
    """Unless `miniwdl zip` made it."""
    assert "is a directory" in refused(wdl.parent)


def test_a_source_that_is_no_text_is_refused(wdl: Path) -> None:
    """A BAM file in the place of the WDL ends in a sentence."""
    wdl.write_bytes(b"\x1f\x8b\x08\xff")
    assert "does not pass the check" in refused(wdl)


def test_the_inputs_of_an_archive_count_unless_others_are_given(wdl: Path) -> None:
    """As with miniwdl: -i replaces them, key=value changes them."""
    archive = wdl.parent / "hello.zip"
    document = WDL.load(str(wdl))
    WDL.Zip.build(document, str(archive), logging.getLogger(), inputs={"hello.name": "Zoe"})
    assert inputs_of(packed(archive)) == {"hello.name": "Zoe"}
    assert inputs_of(packed(archive, "count=1")) == {"hello.name": "Zoe", "hello.count": 1}
    assert "missing required inputs" in refused(archive, "-i", '{"count": 1}')


def test_an_unpacked_archive_travels_too(wdl: Path, tmp_path: Path) -> None:
    """Its directory is what miniwdl runs."""
    archive, folder = wdl.parent / "hello.zip", tmp_path / "unpacked"
    WDL.Zip.build(WDL.load(str(wdl)), str(archive), logging.getLogger())
    shutil.unpack_archive(archive, folder)
    run = packed(folder, "name=Ada")
    assert run.arguments[0] == "bundle://source"
    assert run.bundle is not None
    assert {"source/MANIFEST.json", "source/hello.wdl"} <= set(run.bundle.files)


def test_imports_are_found_in_the_folders_of_path(wdl: Path, tmp_path: Path) -> None:
    """They travel, so the job needs no --path."""
    elsewhere = tmp_path / "library" / "lib"
    elsewhere.mkdir(parents=True)
    (elsewhere / "greet.wdl").write_text(TASKS)
    wdl.write_text(MAIN.replace("tasks/greet", "lib/greet"))
    assert "does not pass the check" in refused(wdl, "name=Ada")
    run = packed(wdl, "name=Ada", "--path", elsewhere.parent)
    assert "--path" not in run.arguments
    assert run.bundle is not None
    assert any(name.endswith("greet.wdl") for name in run.bundle.files)
    assert "folder of this machine" in refused("/mnt/efs/x.wdl", "--path", elsewhere)


def test_no_quant_check_is_heard_here_and_there(wdl: Path) -> None:
    """What miniwdl forgives with this option is forgiven before the submission, too."""
    wdl.write_text(MAIN.replace("Int? count", "String? nick").replace("name }", "name = nick }"))
    assert "does not pass the check" in refused(wdl, "name=Ada")
    assert "--no-quant-check" in packed(wdl, "name=Ada", "--no-quant-check").arguments


def test_a_file_inside_a_struct_is_checked_too(wdl: Path) -> None:
    """By itself, miniwdl checks none that stand inside a pair, a map or a struct."""
    wdl.write_text(MAIN.replace("Int? count", "Pair[File,Int]? p"))
    assert "/home/ada/x" in refused(wdl, "name=A", 'p={"left": "/home/ada/x", "right": 1}')


def test_files_that_this_machine_shares_with_the_jobs_are_renamed(wdl: Path) -> None:
    """A home directory on EFS, as in SageMaker Studio, is the mount point in the jobs."""
    reads = f"{wdl.parent}/data/reads.bam"
    run = packed(wdl, "name=A", f"reads={reads}", "reads=/mnt/efs/x.bam", here=str(wdl.parent))
    assert inputs_of(run)["hello.reads"] == ["/mnt/efs/data/reads.bam", "/mnt/efs/x.bam"]
    assert "not visible" in refused(wdl, "name=A", "reads=/mnt/efs/../etc/passwd")


def test_a_configuration_file_travels_over_the_packaged_one(wdl: Path) -> None:
    """Without the packaged one no task would run on AWS Batch."""
    cfg = wdl.parent / "my.cfg"
    cfg.write_text(
        "[scheduler]\ntask_concurrency = 7\n[aws]\ntask_secrets = X=arn:x\n[mine]\nurl = http://host/%20\n"
    )
    run = packed(wdl, "name=A", "--cfg", cfg)
    assert run.bundle is not None
    assert run.arguments[run.arguments.index("--cfg") + 1] == "bundle://miniwdl.cfg"
    merged = configparser.RawConfigParser()
    merged.read_string(run.bundle.files["miniwdl.cfg"].decode())
    assert merged["scheduler"]["task_concurrency"] == "7"
    assert merged["scheduler"]["container_backend"] == "aws_batch_job"
    assert merged["mine"]["url"] == "http://host/%20"
    assert "/mnt/efs/a.cfg" in packed(wdl, "name=A", "--cfg", "/mnt/efs/a.cfg").arguments


def test_a_secret_in_a_configuration_file_is_refused(wdl: Path) -> None:
    """The file travels where many can read it."""
    cfg = wdl.parent / "my.cfg"
    cfg.write_text("[mine]\napi_token = abc\n")
    message = refused(wdl, "name=A", "--cfg", cfg)
    assert "--secret MINIWDL__MINE__API_TOKEN=ARN" in message
    assert "abc" not in message


def test_defaults_of_the_runtime_travel_as_text(wdl: Path) -> None:
    """A file of this machine, or the text itself."""
    path = wdl.parent / "defaults.json"
    path.write_text('{"maxRetries": 2}')
    for given in (str(path), '{"maxRetries":2}'):
        run = packed(wdl, "name=A", "--runtime-defaults", given)
        assert '{"maxRetries": 2}' in run.arguments
    path.write_text('{"maxRetries": }')
    assert "line 1, column 16" in refused(wdl, "name=A", "--runtime-defaults", path)


def test_a_variable_for_tasks_is_taken_from_here(wdl: Path) -> None:
    """The job has none of this machine's variables."""
    run = packed(wdl, "name=A", "--env", "LANG", "--env", "X=1", LANG="C")
    given = [each for flag, each in itertools.pairwise(run.arguments) if flag == "--env"]
    assert given == ["LANG=C", "X=1"]
    assert "no such variable here" in refused(wdl, "name=A", "--env", "NOWHERE")


@pytest.mark.parametrize("given", ["API_TOKEN=abc", "URL=https://ada:abc@host/", "LICENCE"])
def test_a_secret_for_tasks_is_refused_with_the_way_to_pass_it(wdl: Path, given: str) -> None:
    """The established program puts it into the job's command, where DescribeJobs shows it."""
    message = refused(wdl, "name=A", "--env", given)
    assert "MINIWDL__AWS__TASK_SECRETS=" in message
    assert "abc" not in message


def test_a_secret_that_miniwdl_would_log_is_refused(wdl: Path) -> None:
    """With --debug it writes all of its variables to the workflow's log."""
    arn = "arn:aws:ssm:us-east-1:123456789012:parameter/x"
    around = Surroundings(
        shared=SharedFileSystem("/mnt/efs"),
        read_object=OBJECTS.__getitem__,
        environ={},
        secrets={"MINIWDL__MINE__API_TOKEN": arn},
    )
    with pytest.raises(InvalidInputError, match="MINIWDL__MINE__API_TOKEN is a secret"):
        pack([str(wdl), "name=Ada", "--debug"], around)
    pack([str(wdl), "name=Ada", "--verbose"], around)


@pytest.mark.parametrize("flag", ["-o", "-e"])
def test_a_file_that_the_job_would_write_where_nobody_looks_is_refused(
    wdl: Path, flag: str
) -> None:
    """On the shared file system it is found."""
    assert "nobody would find it" in refused(wdl, "name=A", flag, "out.json")
    assert "/mnt/efs/out.json" in packed(wdl, "name=A", flag, "/mnt/efs/out.json").arguments


class _Web(http.server.BaseHTTPRequestHandler):
    pages: ClassVar[dict[str, str]] = {"/w/hello.wdl": MAIN, "/w/tasks/greet.wdl": TASKS}

    def do_GET(self) -> None:
        page = self.pages.get(self.path)
        self.send_response(200 if page else 404)
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's name)
        """Say nothing."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Web) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/w"
        server.shutdown()
        thread.join()


def test_a_source_on_the_web_is_checked_here_and_opened_by_the_job(web: str) -> None:
    """Its imports are relative to it."""
    run = packed(f"{web}/hello.wdl", "name=Ada")
    assert run.arguments[0] == f"{web}/hello.wdl"
    assert inputs_of(run) == {"hello.name": "Ada"}
    assert "missing required inputs" in refused(f"{web}/hello.wdl")
    assert "does not exist" in refused(f"{web}/helo.wdl")


def test_a_local_source_may_import_from_the_web(wdl: Path, web: str) -> None:
    """What it imports travels, so that the job needs no web."""
    wdl.write_text(MAIN.replace('"tasks/', f'"{web}/tasks/'))
    run = packed(wdl, "name=Ada")
    assert run.bundle is not None
    assert any(name.endswith("greet.wdl") for name in run.bundle.files)
    assert f'"{web}' not in run.bundle.files["source/hello.wdl"].decode()
