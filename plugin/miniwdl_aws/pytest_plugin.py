"""pytest fixtures: a local AWS for a test session, and its environment for a test.

pytest loads it wherever this distribution is installed, so it imports nothing that takes time
before a fixture is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from miniwdl_aws.environment import environment_for, process_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from miniwdl_aws.local import LocalAws, LocalAwsSettings

_MISSING = (
    "the local AWS needs {name}, which is not installed: pip install 'miniwdl-aws[local]' installs "
    "what it needs"
)
_QUICK_STOP_SECONDS = 2.0


@pytest.fixture(scope="session")
def local_aws_settings() -> LocalAwsSettings:
    """How the session's local AWS is set up; override it in a ``conftest.py``.

    By default a job that ignores SIGTERM is killed after 2 s, so that sessions end soon.
    """
    try:
        from miniwdl_aws.local import LocalAwsSettings  # noqa: PLC0415 - moto takes a second
    except ModuleNotFoundError as error:
        pytest.fail(_MISSING.format(name=error.name), pytrace=False)
    return LocalAwsSettings(stop_timeout_seconds=_QUICK_STOP_SECONDS)


@pytest.fixture(scope="session")
def local_aws(local_aws_settings: LocalAwsSettings) -> Iterator[LocalAws]:
    """A local AWS for the whole session, stopped with all of its jobs at its end."""
    from miniwdl_aws.local import LocalAws  # noqa: PLC0415 - as above

    with LocalAws(local_aws_settings) as aws:
        yield aws


@pytest.fixture
def local_aws_environment(
    local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, str]:
    """This process's environment leads to the local AWS and nowhere else, until the test ends.

    Returns:
        The variables of the local AWS.
    """
    before = process_environment()
    wanted = environment_for(before, local_aws.environment)
    for name in before.keys() - wanted.keys():
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        if before.get(name) != value:
            monkeypatch.setenv(name, value)
    return local_aws.environment


@pytest.fixture
def clean_local_aws(local_aws: LocalAws) -> Iterator[LocalAws]:
    """The local AWS with its counters at zero; after the test, no job of it goes on."""
    local_aws.reset_counters()
    yield local_aws
    local_aws.end_jobs("The test has ended")
