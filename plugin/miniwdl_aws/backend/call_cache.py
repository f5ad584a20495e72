"""miniwdl's call cache, which also says why it has no outputs of a call.

miniwdl tells of a miss without the reason. `ExplainedCallCache` finds and keeps entries exactly as
miniwdl's own cache does, and finds the reason beside it, from the same folder:
``TASK/DIGEST/INPUTS.json`` below ``[call_cache] dir``. It is what ``[call_cache] backend =
aws_content`` builds on (`staging.call_cache`).

A miss is compared with one entry of the task, the newest at the time of the run's first miss. The
folder is listed once for each task, and one entry read, however wide a scatter is.
"""

import contextlib
import dataclasses
import functools
import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import WDL
from WDL.runtime.cache import CallCache

REASONS = (
    "disabled",
    "never_cached",
    "never_run",
    "source_changed",
    "inputs_changed",
    "content_changed",
    "content_unknown",
    "file_changed",
    "unreadable",
)
"""Why a call was not in the cache: ``[call_cache] get`` is false; it is a download, which the call
cache does not hold; no task of this name is in the cache; one is, of another source; one of the
same source is, with other inputs; or with the same, but of other content on S3; S3 could not be
asked for the content of an input; there was an entry, but a file that it names is newer or gone;
there is one that cannot be read."""

DOWNLOAD = "download-"
"""How the run ids of miniwdl's own download tasks begin."""

_asked = threading.local()
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Miss:
    """Why the cache had no outputs of a call.

    Attributes:
        reason: one of `REASONS`.
        inputs: of ``inputs_changed``, the inputs that differ from the newest entry's.
        file: of ``file_changed``, the file; empty if miniwdl does not say which.
        entry: the entry that was looked at, or compared with; empty if there is none.
    """

    reason: str
    inputs: tuple[str, ...] = ()
    file: str = ""
    entry: str = ""

    def as_document(self) -> dict[str, Any]:
        """Give it as JSON, without what is empty."""
        found = {key: value for key, value in dataclasses.asdict(self).items() if value}
        if self.inputs:
            found["inputs"] = list(self.inputs)
        return found


def note_miss(miss: Miss) -> None:
    """Leave the reason of a miss for `last_miss` on this thread."""
    _asked.miss = miss


def note_content(digest: str) -> None:
    """Leave what stands for the content of a call's inputs for `last_content` on this thread."""
    _asked.content = digest


def last_content() -> str:
    """Give what was left on this thread, once; empty if nothing was."""
    content: str = getattr(_asked, "content", "")
    _asked.content = ""
    return content


def last_miss(run_id: str) -> dict[str, Any]:
    """Give the reason of the last miss on this thread, once.

    Args:
        run_id: the call's run id; miniwdl's downloads are told by it.

    Returns:
        A miss as JSON; empty if another cache backend was asked.
    """
    miss: Miss | None = getattr(_asked, "miss", None)
    _asked.miss = None
    if miss is not None and run_id.startswith(DOWNLOAD) and miss.reason != "disabled":
        miss = Miss(reason="never_cached")
    return miss.as_document() if miss else {}


class ExplainedCallCache(CallCache):
    """miniwdl's call cache on a shared file system, with the reason of each miss.

    Args:
        cfg: miniwdl's configuration.
        logger: the logger of the run.
    """

    def __init__(self, cfg: Any, logger: logging.Logger) -> None:
        super().__init__(cfg, logger)
        self._enabled = cfg["call_cache"].get_bool("get")
        self._logger.addFilter(_note_changed_file)
        self._newest = functools.cache(newest_entry)
        self._listing = threading.Lock()

    def get(self, key: str, inputs: Any, output_types: Any) -> Any:
        """Give a call's outputs if the cache has them; else note on this thread why not."""
        _asked.miss = _asked.changed = None
        entry = Path(self._call_cache_dir, f"{key}.json")
        was_there = self._enabled and entry.exists()
        found = super().get(key, inputs, output_types)
        if found is None:
            with contextlib.suppress(OSError, ValueError):
                _asked.miss = self._explain(entry, inputs, was_there=was_there)
        return found

    def _explain(self, entry: Path, inputs: Any, *, was_there: bool) -> Miss:
        if not self._enabled:
            return Miss(reason="disabled")
        if was_there and _asked.changed is None:
            return Miss(reason="unreadable", entry=str(entry))
        if was_there:
            return Miss(reason="file_changed", file=_asked.changed, entry=str(entry))
        with self._listing:
            other = self._newest(entry.parent)
        return explain(entry, WDL.values_to_json(inputs), other)


@dataclass(frozen=True, kw_only=True)
class Other:
    """The newest entry of the same task and source.

    Attributes:
        path: where it lies.
        inputs: the inputs of its call.
    """

    path: Path
    inputs: Mapping[str, Any]


def explain(entry: Path, inputs: Mapping[str, Any], other: Other | None) -> Miss:
    """Say why there is no entry.

    Args:
        entry: where it would lie.
        inputs: the call's inputs.
        other: the newest entry beside it, if there is one.
    """
    if other is not None:
        names = differing(inputs, other.inputs)
        reason = "inputs_changed" if names else "content_changed"
        return Miss(reason=reason, inputs=names, entry=str(other.path))
    others = {path for path in _folders(entry.parent.parent) if path != entry.parent.name}
    return Miss(reason="source_changed" if others else "never_run")


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the inputs that two calls do not share.

    >>> differing({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": None})
    ('b', 'c')
    """
    missing = object()
    return tuple(
        name
        for name in sorted({*one, *other})
        if one.get(name, missing) != other.get(name, missing)
    )


def newest_entry(folder: Path) -> Other | None:
    """Read the newest entry of a folder that can be read; None if there is none."""
    try:
        with os.scandir(folder) as entries:
            paths = [(each.stat().st_mtime, each.path) for each in entries if _is_entry(each.name)]
    except OSError:
        return None
    for _, path in sorted(paths, reverse=True):
        try:
            return Other(path=Path(path), inputs=dict(json.loads(Path(path).read_text())["inputs"]))
        except (OSError, ValueError, KeyError, TypeError):
            _log.debug("%s is no entry of the call cache", path)
    return None


def _is_entry(name: str) -> bool:
    return name.endswith(".json")


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [each.name for each in entries if each.is_dir()]
    except OSError:
        return []


def _note_changed_file(record: logging.LogRecord) -> bool:
    """Keep the name of the file for which miniwdl drops an entry: only its log tells it."""
    fields = getattr(record.msg, "kwargs", {})
    if "cache_file" in fields and "changed" in fields:
        _asked.changed = str(fields["changed"])
    return True
