"""Container properties become the request that makes a container."""

from typing import Any

import pytest

from miniwdl_aws.local.execution import container_request as request
from miniwdl_aws.local.execution.launchers import Mount


def test_limits_that_are_given_come_before_defaults() -> None:
    """By name; the others stay."""
    defaults = [
        {"Name": "nofile", "Soft": 1, "Hard": 2},
        {"Name": "nproc", "Soft": 3, "Hard": 4},
    ]
    given = [
        {"name": "nofile", "softLimit": 5, "hardLimit": 6},
        {"name": "core", "softLimit": 0, "hardLimit": 0},
    ]
    assert request.ulimits(defaults, given) == [
        {"Name": "nofile", "Soft": 5, "Hard": 6},
        {"Name": "nproc", "Soft": 3, "Hard": 4},
        {"Name": "core", "Soft": 0, "Hard": 0},
    ]


@pytest.mark.parametrize(
    ("linux", "members"),
    [
        ({}, {"MemorySwap": 64 << 20}),
        ({"swappiness": 10}, {"MemorySwap": 64 << 20}),
        ({"maxSwap": 0, "swappiness": 10}, {"MemorySwap": 64 << 20}),
        ({"maxSwap": 36}, {"MemorySwap": 100 << 20}),
        ({"maxSwap": 36, "swappiness": 10}, {"MemorySwap": 100 << 20, "MemorySwappiness": 10}),
    ],
)
def test_swap_comes_on_top_of_memory(linux: dict[str, Any], members: dict[str, int]) -> None:
    """There is none unless asked for, and ``swappiness`` counts with ``maxSwap`` alone."""
    assert request.memory(64, linux) == {"Memory": 64 << 20, **members}


def test_processors_are_a_share_on_ec2_and_a_limit_on_fargate() -> None:
    """1,024 shares a vCPU, or so much of each 100 ms."""
    assert request.cpu(2, fargate=False) == {"CpuShares": 2048}
    assert request.cpu(0.25, fargate=True) == {"CpuPeriod": 100_000, "CpuQuota": 25_000}


def test_linux_parameters_are_dockers_own() -> None:
    """Sizes are in MiB; a device is at its own path with all permissions unless told otherwise."""
    linux = {
        "initProcessEnabled": True,
        "sharedMemorySize": 3,
        "tmpfs": [{"containerPath": "/t", "size": 5, "mountOptions": ["defaults", "exec"]}],
        "devices": [
            {"hostPath": "/dev/fuse"},
            {"hostPath": "/dev/a", "containerPath": "/dev/b", "permissions": ["READ"]},
        ],
    }
    assert request.linux_members(linux) == {
        "Init": True,
        "ShmSize": 3 << 20,
        "Tmpfs": {"/t": "size=5m,exec"},
        "Devices": [
            {
                "PathOnHost": "/dev/fuse",
                "PathInContainer": "/dev/fuse",
                "CgroupPermissions": "rwm",
            },
            {"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"},
        ],
    }
    assert request.linux_members({}) == {"Init": False}


def test_paths_of_mounts_may_hold_colons() -> None:
    """Which Docker's short form of a bind would take apart."""
    assert request.bind(Mount("/a:b", "/c", read_only=True)) == {
        "Type": "bind",
        "Source": "/a:b",
        "Target": "/c",
        "ReadOnly": True,
    }
