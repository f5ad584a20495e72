"""What miniwdl does at a cost that grows with a run, done at less: for versions that are known.

Each entry takes the place of a function of miniwdl's that does the same. They are swapped only if
the version is one that was compared (`KNOWN`) and the signature is the one that was seen there;
else miniwdl stays as it is. `docs/upstream.md` says what should go upstream instead.
"""

import importlib
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from miniwdl_aws.runner import linking

KNOWN = frozenset({"1.16.0"})
"""The versions of miniwdl whose functions these were compared with."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Substitute:
    """A function that takes the place of one of miniwdl's.

    Attributes:
        module: where the name is looked up when miniwdl calls it.
        name: the name.
        parameters: those of miniwdl's own.
        function: what takes its place.
    """

    module: str
    name: str
    parameters: tuple[str, ...]
    function: Callable[..., Any]


_LINK = ("cache", "outputs", "run_dir", "hardlinks", "use_relative_output_paths")
_WARN = ("logger", "outputs")

SUBSTITUTES = (
    *(
        Substitute(module=module, name=name, parameters=parameters, function=function)
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
        name="chmod_R_plus",
        parameters=("path", "file_bits", "dir_bits"),
        function=linking.chmod_r_plus,
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
    module = importlib.import_module(each.module)
    own = getattr(module, each.name, None)
    if own is None or tuple(inspect.signature(own).parameters) != each.parameters:
        _log.debug("%s.%s is not what it was, and is left alone", each.module, each.name)
        return False
    setattr(module, each.name, each.function)
    return True
