"""The commands of ``docs/workflow-image.md`` do what the page says."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miniwdl_aws.local import LocalAws

pytestmark = pytest.mark.container

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "workflow-image.md"

DOCKER = """\
#!/bin/sh
# Docker as the page's reader has it, on the engine and the base image that this machine has.
command=$1
shift
case $command in
  build) set -- --build-arg BASE_IMAGE={base} {build_options} "$@" ;;
  run) set -- --network=host "$@" ;;
  login | push) set -- {registry_options} "$@" ;;
esac
exec {program} "$command" "$@"
"""


@pytest.fixture(scope="session")
def aws_cli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the program ``aws``, in an environment of its own."""
    folder = tmp_path_factory.mktemp("awscli")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "awscli"]
    subprocess.run(pip, check=True, capture_output=True)
    return folder / "bin"


def page_script(registry: str) -> str:
    """All commands of the page, with the registry of loopback once its name was made up."""
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    instead = (
        'test "$registry" = "123456789012.dkr.ecr.$AWS_REGION.amazonaws.com"\n'
        f"registry={registry}\n"
    )
    script = re.sub(r"^(registry=.*\n)", rf"\1{instead}", "\n".join(blocks), flags=re.MULTILINE)
    assert instead in script
    return script + "\nenv | grep ^MINIWDL__AWS__WORKFLOW_IMAGE=\n"


def docker_program(folder: Path, engine: Any, base: str, options: list[str]) -> None:
    """Put a ``docker`` first on PATH that adds what only this machine needs."""
    podman = engine.program == "podman"
    shim = folder / "docker"
    shim.write_text(
        DOCKER.format(
            base=base,
            program=shutil.which(engine.program),
            build_options=" ".join(["--network=host", *options]),
            registry_options="--tls-verify=false" if podman else "",
        )
    )
    shim.chmod(0o755)


def tags_in(registry: str) -> Any:
    with urllib.request.urlopen(f"http://{registry}/v2/miniwdl-aws/tags/list") as answer:
        return json.load(answer)


def forget_repository(local_aws: "LocalAws") -> None:
    """Leave the session's local AWS as it was."""
    environ = local_aws.environment
    ecr = boto3.client(
        "ecr",
        endpoint_url=local_aws.endpoint_url,
        region_name=local_aws.region,
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )
    ecr.delete_repository(repositoryName="miniwdl-aws", force=True)


def test_an_image_is_built_and_pushed_as_the_page_says(
    engine: Any,
    image: str,
    base_image: str,
    registry: str,
    aws_cli: Path,
    local_aws: "LocalAws",
    tmp_path: Path,
) -> None:
    """Build, log in, tag, push, and set the variable: each command of the page, in its order."""
    options = engine.build_options()
    docker_program(tmp_path, engine, base_image, options)
    (tmp_path / "auth.json").write_text("{}")
    environ: Mapping[str, str] = {
        **engine.environment,
        **local_aws.environment,
        "PATH": f"{tmp_path}:{aws_cli}:{os.environ['PATH']}",
        "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", page_script(registry)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert tags_in(registry) == {"name": "miniwdl-aws", "tags": ["1.0.0"]}
    assert f"MINIWDL__AWS__WORKFLOW_IMAGE={registry}/miniwdl-aws:1.0.0" in done.stdout
    forget_repository(local_aws)
    engine.call("image", "rm", "miniwdl-aws", f"{registry}/miniwdl-aws:1.0.0", check=False)
