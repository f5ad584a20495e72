"""``miniwdl-aws-submit`` run as a person runs it, on the local AWS."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from miniwdl_aws.local import LocalAws

PROGRAM = Path(sys.executable).parent / "miniwdl-aws-submit"


@pytest.fixture
def environ(local_aws: "LocalAws", tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "MINIWDL__AWS__WORKFLOW_IMAGE": "local",
        **local_aws.environment,
    }


@pytest.fixture
def submit(
    environ: dict[str, str], tmp_path: Path
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run the program in an empty folder."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(PROGRAM), *(str(argument) for argument in arguments)],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    return run
