"""Tests of `miniwdl_aws.runner.options`."""

from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.bundle import BUNDLE_VARIABLE
from miniwdl_aws.errors import ConfigurationError, InvalidInputError
from miniwdl_aws.runner.options import RunOptions, read_options


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without a configuration of miniwdl."""
    monkeypatch.delenv("MINIWDL_CFG", raising=False)
    monkeypatch.delenv("MINIWDL__FILE_IO__ROOT", raising=False)
    monkeypatch.setattr("xdg.XDG_CONFIG_HOME", tmp_path / "none")


def read(*arguments: str, own: Any = None, **environ: str) -> RunOptions:
    return read_options(arguments, own or {}, environ)


def test_the_packaged_configuration_is_used() -> None:
    """Without another configuration the package's own holds, and names the mount point."""
    options = read("x.wdl")
    assert options.environment["MINIWDL_CFG"].endswith("miniwdl_aws/miniwdl_aws.cfg")
    assert options.root == Path("/mnt/efs")
    assert (options.directory, options.exactly) == (Path("/mnt/efs/miniwdl_run"), False)


def test_the_users_configuration_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MINIWDL_CFG, --cfg and miniwdl.cfg of the user each stand in for the package's."""
    cfg = tmp_path / "miniwdl.cfg"
    cfg.write_text("[file_io]\nroot = /mnt/lustre\n")
    assert read("x.wdl", MINIWDL_CFG=str(cfg)).root == Path("/mnt/lustre")
    options = read("x.wdl", "--cfg", str(cfg))
    assert options.root == Path("/mnt/lustre")
    assert "MINIWDL_CFG" not in options.environment
    monkeypatch.setattr("xdg.XDG_CONFIG_HOME", tmp_path)
    assert "MINIWDL_CFG" not in read("x.wdl", MINIWDL__FILE_IO__ROOT="/mnt/x").environment


def test_a_variable_moves_the_mount_point() -> None:
    """MINIWDL__FILE_IO__ROOT decides over the file."""
    options = read("x.wdl", MINIWDL__FILE_IO__ROOT="/mnt/other")
    assert options.directory == Path("/mnt/other/miniwdl_run")


def test_arguments_come_before_variables() -> None:
    """Folder and deletion: the argument, then either spelling of the variable."""
    environ = {
        "MINIWDL__AWS__S3_UPLOAD_FOLDER": "s3://bucket/env",
        "MINIWDL__AWS__S3_UPLOAD_DELETE_AFTER": "always",
    }
    options = read("x.wdl", **environ)
    assert (options.s3upload, options.delete_after) == ("s3://bucket/env", "always")
    own = {"s3upload": "s3://bucket/arg", "delete_after": "failure"}
    options = read("x.wdl", own=own, **environ)
    assert (options.s3upload, options.delete_after) == ("s3://bucket/arg", "failure")


@pytest.mark.parametrize(
    ("own", "environ", "named"),
    [
        ({"delete_after": "always"}, {}, "s3upload"),
        ({"s3upload": "bucket/x"}, {}, "--s3upload"),
        ({"s3upload": "s3://bucket", "delete_after": "maybe"}, {}, "--delete-after"),
        (
            {},
            {
                "MINIWDL__AWS__DELETE_AFTER_S3_UPLOAD": "always",
                "MINIWDL__AWS__S3_UPLOAD_DELETE_AFTER": "failure",
            },
            "MINIWDL__AWS__DELETE_AFTER_S3_UPLOAD",
        ),
    ],
)
def test_wrong_settings_are_named(own: Any, environ: dict[str, str], named: str) -> None:
    """What is wrong or contradicts is an error that says where."""
    with pytest.raises(ConfigurationError, match=named):
        read("x.wdl", own=own, **environ)


def test_arguments_that_miniwdl_does_not_know_are_named() -> None:
    """Miniwdl's own sentence is the message."""
    with pytest.raises(InvalidInputError, match="unrecognized arguments: --bogus"):
        read("x.wdl", "--bogus")


def test_the_runners_own_variables_do_not_reach_miniwdl() -> None:
    """Miniwdl would warn of variables that it does not know."""
    options = read(
        "x.wdl",
        own={"task_queue": "q"},
        **{BUNDLE_VARIABLE: "inline:x", "MINIWDL_AWS_RUN_KEY": "k", "AWS_BATCH_JOB_ID": "j"},
    )
    assert options.environment["MINIWDL__AWS__TASK_QUEUE"] == "q"
    assert BUNDLE_VARIABLE not in options.environment
    assert (options.bundle, options.run_key, options.job_id) == ("inline:x", "k", "j")


@pytest.mark.parametrize(
    "given",
    [["--dir", "/mnt/efs/x/."], ["--dir=/mnt/efs/x/."], ["-d", "/mnt/efs/x/."], ["-d/mnt/efs/x/."]],
)
def test_the_directory_is_taken_in_every_spelling(given: list[str]) -> None:
    """--dir is the runner's to decide; all else is handed on in order."""
    options = read("x.wdl", "a=1", *given, "--verbose")
    assert options.arguments == ("x.wdl", "a=1", "--verbose")
    assert (options.directory, options.exactly) == (Path("/mnt/efs/x"), True)


def test_an_input_that_looks_like_the_directory_stays() -> None:
    """Only the option and its value go."""
    assert read("/x", "d=/x", "--dir", "/mnt/efs/x").arguments == ("/x", "d=/x")
