"""Tests of `miniwdl_aws.backend.runtime`."""

import logging
from typing import Any

import pytest
import WDL

from miniwdl_aws.backend import runtime

LOGGER = logging.getLogger("task")


def evaluated(**attributes: Any) -> dict[str, Any]:
    """Give attributes as miniwdl hands them over."""
    return {name: WDL.Value.from_json(WDL.Type.Any(), value) for name, value in attributes.items()}


@pytest.mark.parametrize(
    ("disks", "gib"),
    [
        ("local-disk 100 SSD", 100),
        ("local-disk 100 SSD, /mnt/data 50 HDD", 150),
        ("/mnt/data 500 GiB", 500),
        ("/mnt/disk2 2000 MB", 2),
        ("1.5 TiB", 1536),
        (40, 40),
        (["10 GiB", "/mnt/x 5 GiB"], 15),
        ({"/mnt/a": "10 GiB", "/mnt/b": "20 GiB"}, 30),
    ],
)
def test_disks_are_read_in_all_forms_that_wdl_has_seen(disks: Any, gib: int) -> None:
    """Of Cromwell and of every version of the specification; several disks add up."""
    assert runtime.disk_gib(LOGGER, evaluated(disks=disks)) == gib


def test_disks_without_a_size_are_ignored_and_named(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read asks for nothing, and the log says so."""
    assert runtime.disk_gib(LOGGER, evaluated(disks="local-disk SSD")) == 0
    assert "no size in it" in caplog.text
    assert runtime.disk_gib(LOGGER, {}) == 0


def test_shared_memory_is_a_size() -> None:
    """With a unit; anything else is an error that names the attribute."""
    assert runtime.shared_memory_bytes(evaluated(shared_memory="2 GiB")) == 2 * 2**30
    assert runtime.shared_memory_bytes({}) == 0
    with pytest.raises(WDL.Error.RuntimeError, match=r"runtime\.shared_memory, much"):
        runtime.shared_memory_bytes(evaluated(shared_memory="much"))


def test_an_accelerator_of_nvidia_is_a_gpu(caplog: pytest.LogCaptureFixture) -> None:
    """Any other one is ignored, and the log says so; the count is kept."""
    given = evaluated(acceleratorType="nvidia-tesla-t4", acceleratorCount=2)
    assert runtime.accelerators(LOGGER, given) == {
        "gpu": True,
        "acceleratorType": "nvidia-tesla-t4",
        "acceleratorCount": 2,
    }
    assert runtime.accelerators(LOGGER, evaluated(acceleratorType="tpu-v4")) == {}
    assert "not nvidia" in caplog.text
