"""A container engine's command line: what the tests and the benchmarks build images with."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CA_BUNDLE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

PODMAN_CONF = """\
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]
"""
"""Podman raises these limits by default, which it may not do everywhere."""


class EngineFailedError(Exception):
    """A command of a container engine failed; the message has what it said."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A container engine's command line.

    Attributes:
        program: `podman` or `docker`.
        environment: What it runs with.
    """

    program: str
    environment: Mapping[str, str] = field(repr=False)

    def call(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs it with arguments.

        Raises:
            EngineFailedError: It ended badly, and that was to be checked.
        """
        done = subprocess.run(
            [self.program, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        if check and done.returncode:
            raise EngineFailedError(
                f"{self.program} {' '.join(arguments)} ended with {done.returncode}:\n"
                f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def works(self) -> bool:
        """Whether the program is there and its engine answers."""
        if not shutil.which(self.program):
            return False
        return self.call("info", check=False).returncode == 0

    def has_image(self, tag: str) -> bool:
        """Whether an image of this name is in the engine's store."""
        return self.call("image", "inspect", tag, check=False).returncode == 0

    def build(self, tag: str, *, base: str | None = None) -> None:
        """Builds the Dockerfile of the checkout on a base image; on its own if none is given."""
        options = ["--network=host", "--tag", tag]
        options += ["--build-arg", f"BASE_IMAGE={base}"] if base else []
        self.call("build", *options, *self.build_options(), str(ROOT))

    def build_options(self) -> list[str]:
        """Gives what a build needs on this host, and nowhere else."""
        if self.program != "podman":
            return []
        return ["--ulimit=nofile=1024:4096", *host_ca_bundle(self.environment)]

    def run(
        self, image: str, *command: str, options: Iterable[str] = (), check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in a container on the host's network, and removes the container."""
        return self.call("run", "--rm", "--network=host", *options, image, *command, check=check)


def host_ca_bundle(environment: Mapping[str, str]) -> list[str]:
    """Gives a build's pip the CA bundle that this host names, if it names one."""
    for name in CA_BUNDLE_VARIABLES:
        if (path := environment.get(name)) and Path(path).is_file():
            return [f"--volume={path}:{path}:ro", f"--env=PIP_CERT={path}"]
    return []


def find_engine(directory: Path) -> Engine | None:
    """Gives Podman or else Docker, whichever works.

    Args:
        directory: An existing directory for the configuration that Podman needs.
    """
    conf = directory / "containers.conf"
    conf.write_text(PODMAN_CONF)
    environment = {"CONTAINERS_CONF": str(conf), **os.environ}
    found = (Engine(program=each, environment=environment) for each in ("podman", "docker"))
    return next((each for each in found if each.works()), None)
