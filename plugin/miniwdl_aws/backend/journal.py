"""Which call has which job, on the shared file system: what a later head of the run adopts by.

Each attempt of a call has an entry of its own in the call's run directory, ``job.json`` (of later
attempts ``job2.json`` …), which one thread alone writes. It is written before SubmitJob with the
name that the job is going to have, and again with its id. An entry is put in place by a rename,
once it is written in full: readers see the old one, the new one, or none, whenever the
writer dies. SubmitJob has no client token, so between the two a job may exist whose id nobody
knows; it is found by its name, which no other job bears.
"""

import dataclasses
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miniwdl_aws.heads import RunPlace

PROTOCOL = 1
"""Version of an entry's form; a newer one is not read, and its job not adopted."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One attempt of a call, and its job.

    Attributes:
        key: a hash of the call's task and inputs; empty if they are not known.
        attempt: which attempt it is, from 1.
        task_dir: the run directory in which its files lie.
        job_name: the job's name, which no other job bears.
        job_queue: its queue.
        job_id: its id; empty as long as Batch has not been heard to take it.
        submitted_at: when it was about to be submitted, in seconds since 1970.
        inputs: where the job sees its inputs, and where they lie.
        task: the task's name in the WDL.
        vcpus: the CPUs that it asks for, as are the next two.
        memory_mib: memory.
        gpus: GPUs.
        cache_miss: why the call cache had no outputs of the call (`call_cache.Miss`); empty if that
            is not known.
    """

    key: str
    attempt: int
    task_dir: str
    job_name: str
    job_queue: str
    job_id: str = ""
    submitted_at: float = 0.0
    inputs: Mapping[str, str] = field(default_factory=dict)
    task: str = ""
    vcpus: float = 0.0
    memory_mib: int = 0
    gpus: int = 0
    cache_miss: Mapping[str, Any] = field(default_factory=dict)


def entry_path(task_dir: Path, attempt: int) -> Path:
    """Give the path of an attempt's entry."""
    return task_dir / f"job{attempt if attempt > 1 else ''}.json"


def write_entry(path: Path, entry: Entry) -> None:
    """Put an entry in place, in full.

    Before its job is submitted it is also made to last: some file systems, other than NFS, keep
    what was closed in the memory of a host that may fail. Afterwards the name would do.
    """
    content = {"protocol": PROTOCOL, **vars(entry)}
    new = path.with_name(f"{path.name}.new")
    with new.open("wb", buffering=0) as file:
        # In one line: with an indent, Python's json is ten times slower.
        file.write(json.dumps(content, sort_keys=True).encode() + b"\n")
        if not entry.job_id:
            os.fsync(file.fileno())
    new.replace(path)


def read_entry(path: Path) -> Entry | None:
    """Read an entry; None if there is none that can be understood."""
    try:
        return _decode(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as exc:
        _log.warning("%s cannot be read, its job is not adopted: %s", path, exc)
        return None


@dataclass(frozen=True, kw_only=True)
class Journal:
    """The entries of a run, as one of its heads sees them.

    Attributes:
        place: where this head works; None if our runner did not start it: nothing is adopted.
    """

    place: RunPlace | None = None

    def record(self, task_dir: Path, entry: Entry) -> None:
        """Write down an attempt of a call of this head."""
        write_entry(entry_path(task_dir, entry.attempt), entry)

    def earlier(self, task_dir: Path, attempt: int) -> Entry | None:
        """Find what the latest of the earlier heads wrote down of the same attempt.

        Args:
            task_dir: the call's run directory under this head.
            attempt: the attempt.
        """
        if self.place is None or (relative := self.place.relative(task_dir)) is None:
            return None
        for directory in self.place.earlier:
            if (entry := read_entry(entry_path(directory / relative, attempt))) is not None:
                return entry
        return None


def _decode(content: Any) -> Entry:
    if content.get("protocol", 0) > PROTOCOL:
        raise ValueError(f"it is of protocol {content['protocol']}, this version reads {PROTOCOL}")
    known = {each.name for each in dataclasses.fields(Entry)}
    entry = Entry(**{name: value for name, value in content.items() if name in known})
    if not (entry.job_name and entry.task_dir):
        raise ValueError("it names no job")
    return entry
