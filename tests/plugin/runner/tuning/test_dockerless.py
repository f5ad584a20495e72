"""Tests of `miniwdl_aws.runner.tuning.dockerless`, each in a process of its own."""

import subprocess
import sys

import pytest

BEGIN = "import sys\nfrom miniwdl_aws.runner.tuning.dockerless import leave_docker_alone\n"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(
            "from docker.errors import BuildError\n"
            "assert issubclass(BuildError, Exception)\n"
            "assert 'docker.api' not in sys.modules and 'requests' not in sys.modules\n",
            id="what miniwdl imports loads nothing",
        ),
        pytest.param(
            "import docker\n"
            "assert docker.DockerClient.__module__ == 'docker.client'\n"
            "from docker.errors import APIError, BuildError\n"
            "assert BuildError.__module__ == APIError.__module__ == 'docker.errors'\n"
            "assert docker.errors.NotFound.__module__ == 'docker.errors'\n",
            id="anything else is what is installed",
        ),
        pytest.param(
            "from docker.errors import NotFound\n"
            "from docker import DockerClient, errors\n"
            "assert issubclass(NotFound, errors.APIError)\n",
            id="from the errors too",
        ),
        pytest.param(
            "import docker.types\n"
            "assert docker.types.Mount.__module__ == 'docker.types.services'\n"
            "assert docker.from_env.__module__ == 'docker.client'\n",
            id="a module of the package",
        ),
        pytest.param(
            "import docker\n"
            "assert not hasattr(docker, 'no_such_thing')\n"
            "assert not hasattr(docker, '__no_such_thing__')\n",
            id="what there is not",
        ),
        pytest.param(
            "from WDL.runtime.backend.docker_swarm import SwarmContainer\n"
            "import docker\n"
            "assert docker.__file__\n",
            id="miniwdl's own backend",
        ),
    ],
)
def test_docker_is_there_for_whoever_needs_it(code: str) -> None:
    """What stands for it is not noticed."""
    code = f"{BEGIN}leave_docker_alone()\n{code}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_is_loaded_already_stays() -> None:
    """Somebody has needed it before."""
    code = f"{BEGIN}import docker\nleave_docker_alone()\nassert docker is sys.modules['docker']\n"
    subprocess.run([sys.executable, "-c", f"{code}assert docker.__file__"], check=True, timeout=60)
