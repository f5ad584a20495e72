"""The environments that the two backends run in: alike, and apart from that of the development.

Each has what its workflow image would have and nothing else, since miniwdl looks through all that
is installed for each task. Both have the same versions of what both use.
"""

from __future__ import annotations

from pathlib import Path

from tools.environments import REFERENCE, Environment

__all__ = ["OURS", "REFERENCE", "REFERENCE_VERSION"]

REFERENCE_VERSION = "0.12.2"

_PLUGIN = Path(__file__).resolve().parent.parent / "plugin"

OURS = Environment(name="ours", pins=_PLUGIN / "runner.txt", project=_PLUGIN)
