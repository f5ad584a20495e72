"""Tests of `miniwdl_aws.backend.call_cache`: miniwdl's own cache, and the reason of each miss."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miniwdl_aws.backend.call_cache import last_miss
from miniwdl_aws.backend.journal import read_entry

TASK = """
version 1.1
task count {
  input { Int n  File? from }
  command <<<
    echo ~{n}
  >>>
  output { Int m = read_int(stdout()) }
}
"""


@pytest.fixture
def miss_of(
    open_backend: Any, run_wdl: Any, tmp_path: Path
) -> Callable[..., dict[str, Any] | None]:
    """Run the task, and give why it was not cached; None if it was."""
    open_backend()
    runs = iter(range(100))

    def run(source: str = TASK, get: str = "true", **inputs: Any) -> dict[str, Any] | None:
        options = {
            "backend": "aws_content",
            "get": get,
            "put": "true",
            "dir": str(tmp_path / "cache"),
        }
        run_dir, _ = run_wdl(
            source, inputs, **{f"call_cache__{key}": value for key, value in options.items()}
        )
        kept = tmp_path / "kept" / str(next(runs))
        kept.parent.mkdir(exist_ok=True)
        run_dir.rename(kept)
        entry = read_entry(kept / "job.json")
        return dict(entry.cache_miss) if entry else None

    return run


def test_a_miss_is_explained(miss_of: Any, tmp_path: Path) -> None:
    """Nothing like it ran; then with other inputs; then from another source; or nobody asks."""
    assert miss_of(n=1) == {"reason": "never_run"}
    assert miss_of(n=1) is None
    other = miss_of(n=2)
    assert (other["reason"], other["inputs"]) == ("inputs_changed", ["n"])
    assert Path(other["entry"]).is_relative_to(tmp_path / "cache/count")
    assert miss_of(TASK.replace("echo ", "echo 1"), n=1) == {"reason": "source_changed"}
    assert miss_of(n=1, get="false") == {"reason": "disabled"}


def test_a_changed_file_is_named(miss_of: Any, tmp_path: Path) -> None:
    """An entry is dropped for an input file that is newer; the file and the entry are told."""
    given = tmp_path / "given.txt"
    given.write_text("x")
    os.utime(given, (1, 1))
    inputs = {"n": 1, "from": str(given)}
    miss_of(**inputs)
    assert miss_of(**inputs) is None
    os.utime(given, (4e9, 4e9))
    miss = miss_of(**inputs)
    assert (miss["reason"], miss["file"]) == ("file_changed", str(given))
    assert not Path(miss["entry"]).exists() or Path(miss["entry"]).stat().st_mtime < 4e9


def test_an_unreadable_entry_is_told(miss_of: Any, tmp_path: Path) -> None:
    """What is no JSON is neither used nor taken for nothing."""
    miss_of(n=1)
    (entry,) = (tmp_path / "cache").rglob("*.json")
    entry.write_text("torn")
    assert miss_of(n=1) == {"reason": "unreadable", "entry": str(entry)}


def test_without_our_cache_no_reason_is_made_up() -> None:
    """Another cache backend leaves no miss on the thread."""
    assert last_miss("call-a") == {}
