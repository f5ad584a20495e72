"""What goes wrong with the established program when a run is submitted, and must go right here.

Each test would fail on its behaviour, which the docstring tells.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from miniwdl_aws.cli.submit import main

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws

WDL = """version 1.1
workflow w { input { String name  Int n = 1 } output { String out = name } }
"""


class Shell:
    """Types command lines in a folder of its own, and reads what is printed."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], patched: pytest.MonkeyPatch, folder: Path
    ) -> None:
        self._capsys = capsys
        self._patched = patched
        self.folder = folder
        patched.chdir(folder)
        self.write("w.wdl", WDL)

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content)
        return path

    def run(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        with self._patched.context() as patched:
            for name, value in environ.items():
                if value:
                    patched.setenv(name, value)
                else:
                    patched.delenv(name, raising=False)
            with pytest.raises(SystemExit) as ended:
                main(arguments)
        out, err = self._capsys.readouterr()
        return int(ended.value.code or 0), out, err

    def plan(self, *arguments: str, **environ: str) -> Mapping[str, Any]:
        code, out, err = self.run(*arguments, "--dry-run", **environ)
        assert code == 0, err
        document: Mapping[str, Any] = json.loads(out)
        return document

    def refused(self, *arguments: str, **environ: str) -> str:
        code, out, err = self.run(*arguments, "--dry-run", **environ)
        assert (code, out) == (2, ""), (code, out, err)
        assert "Traceback" not in err
        return err


@pytest.fixture
def shell(
    aws: "LocalAws",
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Shell:
    for name in os.environ:
        if name.startswith("MINIWDL"):
            monkeypatch.delenv(name)
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MINIWDL__AWS__WORKFLOW_IMAGE", "local")
    return Shell(capsys, monkeypatch, tmp_path)


def command(document: Mapping[str, Any]) -> list[str]:
    words: list[str] = document["SubmitJob"]["containerOverrides"]["command"]
    return words


def variables(document: Mapping[str, Any]) -> dict[str, str]:
    given = document["SubmitJob"]["containerOverrides"]["environment"]
    return {each["name"]: each["value"] for each in given}


@pytest.mark.parametrize("name", ["DELETE_AFTER_S3_UPLOAD", "S3_UPLOAD_DELETE_AFTER"])
def test_both_names_of_a_variable_are_read(shell: Shell, aws: "LocalAws", name: str) -> None:
    """There: one program documents the one and the other reads the other."""
    uri = f"s3://{aws.bucket}/x"
    document = shell.plan(
        "w.wdl", "name=A", "--s3upload", uri, **{f"MINIWDL__AWS__{name}": "success"}
    )
    assert command(document)[-2:] == ["--delete-after", "success"]


def test_a_misspelled_variable_is_pointed_out(shell: Shell) -> None:
    """There: it is ignored without a word."""
    _, _, err = shell.run("w.wdl", "name=A", "--dry-run", MINIWDL__AWS__TASK_QEUE="x")
    assert "did you mean MINIWDL__AWS__TASK_QUEUE?" in err


def test_deleting_is_possible_when_the_folder_comes_from_the_environment(
    shell: Shell, aws: "LocalAws"
) -> None:
    """There: --delete-after is refused although the S3 folder is set."""
    document = shell.plan(
        "w.wdl", "name=A", "--delete-after", "always",
        MINIWDL__AWS__S3_UPLOAD_FOLDER=f"s3://{aws.bucket}/x",
    )  # fmt: skip
    assert command(document)[-2:] == ["--delete-after", "always"]


def test_inputs_before_the_source_are_inputs(shell: Shell) -> None:
    """There: the JSON file is taken for the WDL source, and no local inputs ever travel."""
    shell.write("inputs.json", '{"w.name": "Ada"}')
    words = command(shell.plan("-i", "inputs.json", "w.wdl"))
    assert words[:4] == [
        "miniwdl-run-s3upload", "bundle://source/w.wdl", "--input", "bundle://inputs.json"
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["/mnt/efs2/x", "/mnt/efs/../x"])
def test_a_run_directory_beside_the_mount_is_refused(shell: Shell, folder: str) -> None:
    """There: a common beginning of the names is enough, and the run fails later."""
    assert "is not below the mount point /mnt/efs" in shell.refused(
        "w.wdl", "name=A", "--dir", folder
    )


def test_any_name_becomes_a_legal_job_name(shell: Shell) -> None:
    """There: AWS refuses the job for a name with a space."""
    job = shell.plan("w.wdl", "name=A", "--name", "my run / Ää " + "x" * 200)["SubmitJob"]
    assert job["jobName"].replace("-", "").replace("_", "").isalnum()
    assert job["jobName"].isascii()
    assert len(job["jobName"]) <= 128


def test_standard_output_holds_what_a_script_wants_and_nothing_else(shell: Shell) -> None:
    """There: sentences for people stand between."""
    code, out, _ = shell.run("w.wdl", "name=A", "--dry-run", "--verbose")
    assert code == 0
    assert list(json.loads(out)) == ["RegisterJobDefinition", "SubmitJob"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MINIWDL__MINE__API_TOKEN", "swordfish"),
        ("MINIWDL__MINE__URL", "https://ada:swordfish@host/"),
    ],
)
def test_a_secret_does_not_pass_into_the_job_in_plain_text(
    shell: Shell, name: str, value: str
) -> None:
    """There: all MINIWDL__ variables do."""
    code, out, err = shell.run("w.wdl", "name=A", "--dry-run", **{name: value})
    assert code == 0
    assert name not in variables(json.loads(out))
    assert "swordfish" not in out + err
    assert f"--secret {name}=ARN" in err


def test_the_workflow_job_has_a_time_out_and_begins_again_on_another_host(shell: Shell) -> None:
    """There: it has neither."""
    job = shell.plan("w.wdl", "name=A")["SubmitJob"]
    assert job["timeout"]["attemptDurationSeconds"] > 0
    assert job["retryStrategy"]["attempts"] > 1


def test_the_region_is_boto3s(shell: Shell, aws: "LocalAws", tmp_path: Path) -> None:
    """There: without one, it is whatever text the metadata service of a host answers."""
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = {aws.region}\n")
    environ = {"AWS_DEFAULT_REGION": "", "AWS_REGION": "", "AWS_CONFIG_FILE": str(config)}
    assert shell.plan("w.wdl", "name=A", **environ)
    config.write_text("")
    assert "region is not set" in shell.refused("w.wdl", "name=A", **environ)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["w.wdl", "name=A", "--taks-queue", "q"], ["--taks-queue", "did you mean --task-queue"]),
        (["w.wdl", "name=A", "--runtime-default", "x"], ["x", "does not exist"]),
        (["ww.wdl"], ["'ww.wdl'", "Did you mean w.wdl?"]),
        (["folder"], ["'folder' is a directory"]),
        (["w.wdl", "-i", "none.json"], ["none.json", "does not exist"]),
        (["w.wdl", "-i", "folder"], ["folder", "Is a directory"]),
        (["w.wdl", "-i", "bad.json"], ["bad.json", "line 2, column 2"]),
        (["w.wdl", "-i", "bad.yaml"], ["bad.yaml", "line 3, column 1"]),
        (["w.wdl", "name=A", "n=many"], ["many", "Required inputs of w: name"]),
        (["w.wdl", "name=A", "nn=1"], ["No such input to w: nn", "Did you mean n?"]),
        (["w.wdl"], ["missing required inputs for w: name"]),
        (["broken.wdl"], ["broken.wdl (line 2"]),
        (["w.wdl", "name=A", "--cfg", "none.cfg"], ["none.cfg", "does not exist"]),
        (["w.wdl", "name=A", "-o", "out.json"], ["-o out.json", "/mnt/efs"]),
        (["w.wdl", "name=A", "--cpu", "3"], ["cpu 3.0", "no number of vCPUs that Fargate has"]),
        (["w.wdl", "name=A", "--memory-GiB", "64"], ["memory_gib 64", "The nearest size is 8"]),
    ],
)  # fmt: skip
def test_a_mistake_is_found_before_anything_is_submitted(
    shell: Shell, arguments: list[str], parts: list[str]
) -> None:
    """There: most of these end in a job that fails minutes later, or in a traceback."""
    (shell.folder / "folder").mkdir()
    shell.write("bad.json", '{"name": "A"\n}}')
    shell.write("bad.yaml", "name: A\nn: [1\n")
    shell.write("broken.wdl", "version 1.1\nworkflow w {")
    message = shell.refused(*arguments)
    for part in parts:
        assert part in message
