# ruff: noqa: PTH101, PTH102, PTH103, PTH110, PTH112, PTH114, PTH115, PTH118, PTH119, PTH120, PTH123, PTH211
# (miniwdl's paths are texts, and each call here is a request to a server)
"""Linking outputs as miniwdl does, many at a time and with few requests to the file system.

miniwdl links one file after another, and for each it resolves the same directories again: about a
hundred requests a file, each of which waits for the server of a network file system. Here
directories are resolved once, new links are not made under another name first, and threads wait
side by side. The links, the values and the order of errors are miniwdl's own.
"""

import math
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from WDL import Env, Value
from WDL._util import StructuredLogMessage
from WDL.runtime import _io_helpers

THREADS = 24
"""Requests to the file system that are under way at once."""

FEW = 4
"""So few files are not worth threads."""

_TARGET = "_miniwdl_aws_target"
"""An attribute of values that were linked: the link and what it leads to, which is asked for again
right afterwards."""

_PATH_COMPONENT = re.compile(r"[-_a-zA-Z0-9][-_a-zA-Z0-9.]*")

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class _Leaf:
    """A file or directory among the outputs, and the directory in which its link is made."""

    value: Any
    folder: str


def link_outputs(
    cache: Any,
    outputs: Any,
    run_dir: str,
    hardlinks: bool = False,  # noqa: FBT001, FBT002  (miniwdl's signature)
    use_relative_output_paths: bool = False,  # noqa: FBT001, FBT002  (as above)
) -> Any:
    """Do what ``WDL.runtime._io_helpers.link_outputs`` does.

    Hard links, and paths by those of the work directory, are left to miniwdl itself.
    """
    if hardlinks or use_relative_output_paths:
        return _io_helpers.link_outputs(
            cache, outputs, run_dir, hardlinks, use_relative_output_paths
        )
    out = os.path.join(run_dir, "out")
    os.makedirs(out, exist_ok=False)
    copied = outputs.map(
        lambda binding: Env.Binding(
            binding.name, Value.rewrite_paths(binding.value, lambda value: value.value)
        )
    )
    leaves = [
        leaf for binding in copied for leaf in _leaves(binding.value, f"{out}/{binding.name}")
    ]
    linker = _Linker(cache, run_dir)
    _for_all(linker.link, leaves)
    return copied


def warn_output_basename_collisions(logger: Any, outputs: Any) -> None:
    """Do what ``WDL.runtime._io_helpers._warn_output_basename_collisions`` does."""
    values: list[Any] = []

    def collect(value: Any) -> str:
        values.append(value)
        return str(value.value)

    Value.rewrite_env_paths(outputs, collect)
    resolver = _Resolver()

    def resolve(value: Any) -> str:
        path = str(value.value)
        known = getattr(value, _TARGET, None)
        if known is not None and known[0] == path:
            return str(known[1])
        return resolver.resolve(path) if os.path.exists(path) else path

    targets: dict[str, set[str]] = {}
    for target in _for_all(resolve, values):
        targets.setdefault(os.path.basename(target), set()).add(target)
    collisions = [name for name, found in targets.items() if len(found) > 1]
    if collisions:
        logger.warning(
            StructuredLogMessage(
                "multiple output files share the same basename; while miniwdl supports this,"
                " consider modifying WDL to ensure distinct output basenames",
                basenames=collisions,
            )
        )


def chmod_r_plus(path: str, file_bits: int = 0, dir_bits: int = 0) -> None:
    """Do what ``WDL._util.chmod_R_plus`` does, changing only what lacks a bit."""
    _add_bits(path, os.lstat(path).st_mode, dir_bits if os.path.isdir(path) else file_bits)
    if not os.path.isdir(path) or os.path.islink(path):
        return
    folders = [path]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    continue
                is_folder = entry.is_dir(follow_symlinks=False)
                mode = entry.stat(follow_symlinks=False).st_mode
                _add_bits(entry.path, mode, dir_bits if is_folder else file_bits)
                if is_folder:
                    folders.append(entry.path)


def _add_bits(path: str, mode: int, bits: int) -> None:
    if mode & bits != bits:
        os.chmod(path, (mode & 0o7777) | bits)


def _leaves(value: Any, folder: str) -> Iterator[_Leaf]:
    """Give the files and directories of a value, each with miniwdl's directory for its link."""
    if isinstance(value, Value.File | Value.Directory):
        yield _Leaf(value, folder)
    elif isinstance(value, Value.Array) and value.value:
        digits = math.ceil(math.log10(len(value.value)))
        for index, each in enumerate(value.value):
            yield from _leaves(each, f"{folder}/{str(index).rjust(digits, '0')}")
    elif isinstance(value, Value.Map) and value.value:
        for name, each in _map_items(value.value):
            yield from _leaves(each, f"{folder}/{name}")
    elif isinstance(value, Value.Pair):
        yield from _leaves(value.value[0], f"{folder}/left")
        yield from _leaves(value.value[1], f"{folder}/right")
    elif isinstance(value, Value.Struct):
        for name, each in value.value.items():
            yield from _leaves(each, f"{folder}/{name}")


def _map_items(pairs: list[Any]) -> Iterator[tuple[str, Any]]:
    names = [str(pair[0]).strip("'\"") for pair in pairs]
    digits = math.ceil(math.log10(len(pairs)))
    if not all(_PATH_COMPONENT.fullmatch(name) for name in names):
        names = [str(index).rjust(digits, "0") for index in range(len(pairs))]
    for name, pair in zip(names, pairs, strict=True):
        yield name, pair[1]


class _Resolver:
    """Resolves links, each directory once: nothing moves while outputs are linked."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {"": "", "/": ""}
        self._lock = threading.Lock()

    def resolve(self, path: str) -> str:
        """Give what `os.path.realpath` gives for an absolute path that exists."""
        if not path.startswith("/") or "/.." in path or "//" in path or "/./" in path:
            return os.path.realpath(path)
        folder, _, name = path.rstrip("/").rpartition("/")
        return self._below(self.folder(folder), name)

    def folder(self, path: str) -> str:
        """Resolve a directory, once."""
        with self._lock:
            known = self._folders.get(path)
        if known is None:
            known = self.resolve(path)
            with self._lock:
                self._folders[path] = known
        return known

    def _below(self, folder: str, name: str) -> str:
        """Resolve a name in a directory that is resolved already."""
        path = f"{folder}/{name}"
        try:
            target = os.readlink(path)
        except OSError:
            return path
        while target.startswith("../"):
            folder, target = os.path.dirname(folder), target.removeprefix("../")
        return self.resolve(target if target.startswith("/") else f"{folder}/{target}")


class _Linker:
    def __init__(self, cache: Any, run_dir: str) -> None:
        self._cache = cache
        self._resolver = _Resolver()
        self._parent = self._resolver.resolve(os.path.dirname(run_dir))

    def link(self, leaf: _Leaf) -> None:
        """Make the link of a file or directory, and name the value by it."""
        value, is_folder = leaf.value, isinstance(leaf.value, Value.Directory)
        target = value.value
        if not os.path.exists(target):
            target = self._cache.get_download(value.value, is_folder)
        if not target:
            return
        resolved = self._resolver.resolve(target)
        name = os.path.basename(value.value.rstrip("/"))
        folder, link = self._make(leaf.folder), f"{leaf.folder}/{name}"
        os.symlink(self._from(folder, resolved), link)
        if is_folder:
            with open(f"{leaf.folder}/.WDL_Directory", "w"):
                pass
        value.value = link
        setattr(value, _TARGET, (link, resolved))

    def _make(self, folder: str) -> str:
        """Make a directory that must not be there yet; gives its resolved path."""
        parent, _, name = folder.rpartition("/")
        try:
            os.mkdir(folder)
        except FileNotFoundError:
            os.makedirs(parent, exist_ok=True)
            os.mkdir(folder)
        return f"{self._resolver.folder(parent)}/{name}"

    def _from(self, folder: str, target: str) -> str:
        """Name a target from a folder: relatively, if they are near and may move together."""
        if target == self._parent or target.startswith(f"{self._parent}/"):
            return os.path.relpath(target, start=folder)
        return target


def _for_all(act: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """Do something for all of many, side by side; the first error in their order is raised."""
    listed = list(items)
    if len(listed) <= FEW:
        return [act(each) for each in listed]
    with ThreadPoolExecutor(
        min(THREADS, len(listed)), thread_name_prefix="miniwdl-aws-link"
    ) as pool:
        return list(pool.map(act, listed))
