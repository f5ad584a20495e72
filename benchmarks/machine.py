"""The machine and the software that figures come from."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import psutil

SHARED = ("miniwdl", "boto3", "botocore", "moto")
"""What both backends or the local AWS run on; the same versions for both."""


def machine_facts() -> dict[str, object]:
    """Describe this machine, and how busy it is at this moment."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cpu_count": os.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def software_versions() -> dict[str, str]:
    """Give the versions of what runs."""
    return {
        "python": sys.version.split()[0],
        "miniwdl-aws (ours)": version("miniwdl-aws"),
        "commit": _commit(),
        **{name: version(name) for name in SHARED},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    """Name the checkout's commit, with a plus if files differ from it."""
    root = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
