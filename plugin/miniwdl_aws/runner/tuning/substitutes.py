"""What miniwdl does at a cost that grows with a run, done at less: for versions that are known.

Each entry takes the place of a function of miniwdl's that does the same, or has it wait for its
turn (`backend.turns`). They are swapped only if the version is one that was compared (`KNOWN`) and
the signature is the one that was seen there; else miniwdl stays as it is. `docs/upstream.md` says
what should go upstream instead.
"""

import functools
import importlib
import inspect
import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from miniwdl_aws.backend.turns import TURNS
from miniwdl_aws.runner.tuning import grammars, linking, logfiles, stdlib

KNOWN = frozenset({"1.16.0"})
"""The versions of miniwdl whose functions these were compared with."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Substitute:
    """A function that takes the place of one of miniwdl's.

    Attributes:
        module: where the name is looked up when miniwdl calls it.
        name: the name; a dot stands between a class and its method.
        parameters: those of miniwdl's own.
        make: gives what takes its place, of miniwdl's own.
    """

    module: str
    name: str
    parameters: tuple[str, ...]
    make: Callable[[Callable[..., Any]], Callable[..., Any]]


def _instead(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return lambda _own: function


def _within(
    turn: Callable[[], AbstractContextManager[None]],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Call miniwdl's own with or without a turn."""

    def make(own: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(own)
        def within(*args: Any, **kwargs: Any) -> Any:
            with turn():
                return own(*args, **kwargs)

        return within

    return make


def _once(own: Callable[[Any], str]) -> Callable[[Any], str]:
    """Write a message once, and not for each of the logs that it goes to."""

    @functools.wraps(own)
    def said(self: Any) -> str:
        known: str | None = self.__dict__.get("_said")
        if known is None:
            known = self.__dict__["_said"] = own(self)
        return known

    return said


def _of_the_chosen_backend(own: Callable[..., Any]) -> Callable[..., Any]:
    """Load the container backend that is configured, and not what the others need."""

    @functools.wraps(own)
    def load(cfg: Any, group: str) -> Iterable[tuple[str, Any]]:
        if group != "container_backend":
            return own(cfg, group)  # type: ignore[no-any-return]
        chosen = cfg["scheduler"]["container_backend"]
        known = importlib.import_module("WDL.runtime.config").load_all_plugins(cfg, group)
        return [(each.name, each.load()) for is_on, each in known if is_on and each.name == chosen]

    return load


_LINK = ("cache", "outputs", "run_dir", "hardlinks", "use_relative_output_paths")
_WARN = ("logger", "outputs")
_DOWNLOAD = ("cfg", "logger", "cache", "uri", "run_dir", "directory", "kwargs")
_RUN_TASK = (
    "cfg",
    "task",
    "inputs",
    "run_id",
    "run_dir",
    "logger_prefix",
    "_run_id_stack",
    "_cache",
    "_plugins",
)

SUBSTITUTES = (
    *(
        Substitute(module=module, name=name, parameters=parameters, make=_instead(function))
        for module in ("WDL.runtime.task", "WDL.runtime.workflow")
        for name, parameters, function in (
            ("link_outputs", _LINK, linking.link_outputs),
            (
                "_warn_output_basename_collisions",
                _WARN,
                linking.warn_output_basename_collisions,
            ),
        )
    ),
    Substitute(
        module="WDL.runtime.task",
        name="LoggingFileHandler",
        parameters=("logger", "filename", "json"),
        make=_instead(logfiles.logging_file_handler),
    ),
    Substitute(
        module="WDL.runtime.task",
        name="chmod_R_plus",
        parameters=("path", "file_bits", "dir_bits"),
        make=_instead(linking.chmod_r_plus),
    ),
    Substitute(
        module="WDL._parser",
        name="parse",
        parameters=("grammar", "txt", "start"),
        make=grammars.with_kept_tables,
    ),
    Substitute(
        module="WDL.runtime.config",
        name="load_plugins",
        parameters=("cfg", "group"),
        make=_of_the_chosen_backend,
    ),
    Substitute(
        module="WDL._util",
        name="StructuredLogMessage.__str__",
        parameters=("self",),
        make=_once,
    ),
    Substitute(
        module="WDL.StdLib",
        name="Base.__init__",
        parameters=("self", "wdl_version", "write_dir", "eval_context"),
        make=stdlib.made_when_needed,
    ),
    Substitute(
        module="WDL.runtime.workflow",
        name="run_local_task",
        parameters=_RUN_TASK,
        make=_within(TURNS.taken),
    ),
    Substitute(
        module="WDL.runtime.task",
        name="download",
        parameters=_DOWNLOAD,
        make=_within(TURNS.aside),
    ),
)


def tune(version: str | None = None) -> list[str]:
    """Put the substitutes in place.

    Args:
        version: miniwdl's version; that which is installed by default.

    Returns:
        The names that were replaced.
    """
    version = version or metadata.version("miniwdl")
    if version not in KNOWN:
        _log.debug("miniwdl %s is not tuned: known are %s", version, ", ".join(sorted(KNOWN)))
        return []
    return [f"{each.module}.{each.name}" for each in SUBSTITUTES if _substitute(each)]


def _substitute(each: Substitute) -> bool:
    owner: Any = importlib.import_module(each.module)
    *classes, name = each.name.split(".")
    for part in classes:
        owner = getattr(owner, part, None)
    own = getattr(owner, name, None)
    if own is None or tuple(inspect.signature(own).parameters) != each.parameters:
        _log.debug("%s.%s is not what it was, and is left alone", each.module, each.name)
        return False
    setattr(owner, name, each.make(own))
    return True
