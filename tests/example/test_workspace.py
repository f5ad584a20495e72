"""A demonstration has its directory for itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from demo.processes import ServiceError
from demo.workspace import workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_what_the_last_demonstration_left_is_removed(tmp_path: Path) -> None:
    """The directory starts empty; what is made in it stays behind."""
    directory = tmp_path / "demo"
    with workspace(directory) as first:
        (first / "efs").mkdir()
        (first / "efs" / "file").touch()
    assert (directory / "efs" / "file").exists()
    with workspace(directory) as second:
        assert [entry.name for entry in second.iterdir()] == ["lock"]


def test_two_demonstrations_cannot_share_a_directory(tmp_path: Path) -> None:
    """The second is told the process of the first."""
    with (
        workspace(tmp_path / "demo"),
        pytest.raises(ServiceError, match=rf"process {os.getpid()}\) runs in"),
        workspace(tmp_path / "demo"),
    ):
        pass


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """Nothing is deleted where no demonstration has been."""
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ServiceError, match="no demonstration made"), workspace(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").exists()
