"""WDL's standard library for a task's expressions, made when the first of its functions is needed.

miniwdl makes some sixty functions anew for each task, four times over, of which most tasks need few
or none: 22 KiB and about half a millisecond each time, and one set is kept for as long as the task
runs.
"""

import functools
from collections.abc import Callable
from typing import Any

from WDL.StdLib import Base, EvalContext


def made_when_needed(make: Callable[..., None]) -> Callable[..., None]:
    """Put off what `WDL.StdLib.Base.__init__` does.

    Args:
        make: miniwdl's own.

    Returns:
        What takes its place: it notes what it was called with. The class is given a
        ``__getattr__``, which makes all functions once one is missing.
    """

    @functools.wraps(make)
    def begin(
        self: Base,
        wdl_version: str,
        write_dir: str = "",
        *,
        eval_context: EvalContext | None = None,
    ) -> None:
        self.__dict__["_put_off"] = (wdl_version, write_dir)
        self.wdl_version = wdl_version
        self.eval_context = eval_context or EvalContext()

    def complete(self: Base, name: str) -> Any:
        if name.startswith("__") or "_put_off" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no {name}", name=name, obj=self)
        wdl_version, write_dir = self.__dict__.pop("_put_off")
        set_since = dict(self.__dict__)  # a subclass has functions of its own
        make(self, wdl_version, write_dir, eval_context=self.eval_context)
        self.__dict__.update(set_since)
        return getattr(self, name)

    Base.__getattr__ = complete  # type: ignore[attr-defined]
    return begin
