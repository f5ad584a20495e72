"""What of a run directory is published, and under which keys."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miniwdl_aws.errors import PublicationError

LOGS = ("workflow.log", "task.log", "run_report.json")
"""What is published of every run, however it went; the last is `report.REPORT_FILE`."""

OUTPUTS = "outputs.json"
ERROR = "error.json"
STREAMS = {"stderr": "CommandFailed_stderr.txt", "stdout": "CommandFailed_stdout.txt"}
"""The object for each stream of the failed command."""


@dataclass(frozen=True, kw_only=True)
class PlannedObject:
    """One object to be.

    Attributes:
        key: its key below the publication's folder.
        path: the file that it is a copy of.
        content: its content, if it is no copy of a file.
        size: its size in bytes.
    """

    key: str
    path: Path | None = None
    content: bytes = b""
    size: int


@dataclass(frozen=True, kw_only=True)
class PublicationPlan:
    """What is published of a run.

    Attributes:
        objects: all objects but the last.
        commit: the object that is put last: ``outputs.json`` or ``error.json``.
        outputs: the workflow's outputs with S3 URIs; None if the run failed.
        dangling: links in ``out`` that lead nowhere.
    """

    objects: tuple[PlannedObject, ...]
    commit: PlannedObject
    outputs: Mapping[str, Any] | None
    dangling: tuple[str, ...]


@dataclass
class _Tree:
    """What lies below ``out``, links followed."""

    files: list[PlannedObject] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)
    places: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    """The keys under which a file or directory of this device and inode is published."""


def plan_publication(run_dir: Path, uri: str) -> PublicationPlan:
    """Plan the publication of a run that has ended.

    Args:
        run_dir: its run directory.
        uri: the folder on S3, ending in a slash.

    Raises:
        PublicationError: the run has left neither outputs nor an error, or an output is missing.
    """
    logs = [_copy(name, run_dir / name) for name in LOGS if (run_dir / name).is_file()]
    if (run_dir / ERROR).is_file():
        return _failed(run_dir, uri, logs)
    if not (run_dir / OUTPUTS).is_file():
        raise PublicationError(
            f"{run_dir} cannot be published: it holds neither {OUTPUTS} nor {ERROR}, so its run "
            "has not ended"
        )
    tree = _walk(run_dir / "out")
    outputs = json.loads((run_dir / OUTPUTS).read_text())
    published = {
        name: _with_uris(value, name.rsplit(".", 1)[-1], run_dir, uri, tree)
        for name, value in outputs.items()
    }
    commit = _generated(OUTPUTS, json.dumps(published, indent=2).encode() + b"\n")
    return PublicationPlan(
        objects=(*logs, *tree.files),
        commit=commit,
        outputs=published,
        dangling=tuple(tree.dangling),
    )


def _failed(run_dir: Path, uri: str, logs: list[PlannedObject]) -> PublicationPlan:
    error = json.loads((run_dir / ERROR).read_text())
    cause = error.get("cause", {})
    streams: list[PlannedObject] = []
    for stream, key in STREAMS.items():
        path = cause.get(f"{stream}_file")
        if path and Path(path).is_file():
            streams.append(_copy(key, Path(path)))
            cause[f"{stream}_s3file"] = uri + key
    commit = _generated(ERROR, json.dumps(error, indent=2).encode() + b"\n")
    return PublicationPlan(objects=(*logs, *streams), commit=commit, outputs=None, dangling=())


def _copy(key: str, path: Path) -> PlannedObject:
    return PlannedObject(key=key, path=path, size=path.stat().st_size)


def _generated(key: str, content: bytes) -> PlannedObject:
    return PlannedObject(key=key, content=content, size=len(content))


def _walk(out: Path) -> _Tree:
    tree = _Tree()
    if out.is_dir():
        _walk_folder(out, "", tree, ancestors=())
    tree.files.sort(key=lambda each: each.key)
    return tree


def _walk_folder(
    folder: Path, prefix: str, tree: _Tree, ancestors: tuple[tuple[int, int], ...]
) -> None:
    for entry, stat in _entries(folder, prefix, tree):
        key = prefix + entry.name
        identity = (stat.st_dev, stat.st_ino)
        tree.places.setdefault(identity, []).append(key)
        if not entry.is_dir():
            tree.files.append(PlannedObject(key=key, path=Path(entry.path), size=stat.st_size))
        elif identity in ancestors:
            tree.dangling.append(f"{key} (a link to a folder that it lies in)")
        else:
            _walk_folder(Path(entry.path), f"{key}/", tree, (*ancestors, identity))


def _entries(
    folder: Path, prefix: str, tree: _Tree
) -> Iterator[tuple["os.DirEntry[str]", os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                yield entry, entry.stat()
            except FileNotFoundError:
                tree.dangling.append(prefix + entry.name)


def _with_uris(value: Any, output: str, run_dir: Path, uri: str, tree: _Tree) -> Any:
    """Replace the paths of published files in an output's value by their URIs.

    Raises:
        PublicationError: a path in ``out`` of this run leads nowhere.
    """
    if isinstance(value, list):
        return [_with_uris(each, output, run_dir, uri, tree) for each in value]
    if isinstance(value, dict):
        return {key: _with_uris(each, output, run_dir, uri, tree) for key, each in value.items()}
    if isinstance(value, str) and value.startswith("/"):
        return _uri_of(value, output, run_dir, uri, tree)
    return value


def _uri_of(path: str, output: str, run_dir: Path, uri: str, tree: _Tree) -> str:
    out = f"{run_dir}/out/"
    try:
        stat = Path(path).stat()
    except OSError:
        if path.startswith(out):
            key = path.removeprefix(out)
            raise PublicationError(
                f"the output {output} cannot be published: {path} leads nowhere", (key,)
            ) from None
        return path
    if path.startswith(out):
        return uri + path.removeprefix(out)
    # From the call cache: the file lies in another run's directory, and out/ links to it.
    keys = tree.places.get((stat.st_dev, stat.st_ino), [])
    own = [key for key in keys if key.split("/", 1)[0] == output]
    return uri + (own or keys)[0] if keys else path
