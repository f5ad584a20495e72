"""The workflow image holds the runner, is small, and works as any user."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from benchmarks.image import TARGET_MB, compressed_bytes

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.container

USERS = [pytest.param("0:0", id="root"), pytest.param("12345:12345", id="another user")]


@pytest.mark.parametrize("user", USERS)
def test_the_runner_explains_itself(engine: Any, image: str, user: str) -> None:
    """`miniwdl-run-s3upload` is on PATH whoever runs it."""
    done = engine.run(image, "miniwdl-run-s3upload", "--help", options=[f"--user={user}"])
    assert "--s3upload" in done.stdout


@pytest.mark.parametrize("user", USERS)
def test_miniwdl_finds_the_backend(engine: Any, image: str, user: str) -> None:
    """`miniwdl --version` lists the plugin that turns WDL tasks into Batch jobs."""
    done = engine.run(image, "miniwdl", "--version", options=[f"--user={user}"])
    assert "aws_batch_job = miniwdl_aws.backend.container:" in done.stdout


@pytest.mark.parametrize("user", USERS)
def test_home_is_writable(engine: Any, image: str, user: str) -> None:
    """A user without an entry in /etc/passwd has a place for what programs keep in HOME."""
    command = 'touch "$HOME/file" && test "$PWD" = "$HOME"'
    engine.run(image, "sh", "-c", command, options=[f"--user={user}"])


def test_it_installs_what_runner_txt_pins_and_nothing_else(engine: Any, image: str) -> None:
    """The distributions in the image are the pinned ones and the plugin: no Airflow, no moto."""
    code = (
        "import importlib.metadata, json\n"
        "print(json.dumps([(d.name, d.version) for d in importlib.metadata.distributions()]))"
    )
    listing = json.loads(engine.run(image, "python3", "-c", code).stdout)
    found: dict[str, str] = {canonicalize_name(name): version for name, version in listing}
    pins = (ROOT / "plugin" / "runner.txt").read_text()
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", pins, re.MULTILINE))
    assert found.pop("miniwdl-aws")
    assert found == pinned


def test_it_has_the_tables_of_wdls_grammars(engine: Any, image: str) -> None:
    """Nobody may write them where they belong once it runs as another user."""
    code = (
        "from WDL import _grammar\n"
        "from miniwdl_aws.runner.tuning.grammars import FOLDER, VERSIONS\n"
        "grammars = {_grammar.get(version)[0] for version in VERSIONS}\n"
        "print(len(grammars) - len(list(FOLDER.glob('wdl-*.lark'))))"
    )
    assert engine.run(image, "python3", "-c", code).stdout.strip() == "0"


@pytest.mark.parametrize("program", ["gcc", "cc", "aws", "airflow"])
def test_it_has_no_program_that_a_run_does_not_need(engine: Any, image: str, program: str) -> None:
    """No compiler stays from the build, and S3 is reached without the AWS CLI."""
    assert engine.run(image, "sh", "-c", f"command -v {program}", check=False).returncode != 0


def test_it_is_small_enough_to_be_pulled_fast(engine: Any, image: str, tmp_path: Path) -> None:
    """Compressed, all layers together."""
    archive = tmp_path / "image.tar"
    engine.call("save", "--output", str(archive), image)
    assert compressed_bytes(archive) <= TARGET_MB * 1e6
