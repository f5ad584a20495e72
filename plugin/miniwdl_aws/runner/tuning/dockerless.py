"""Docker's client left alone until somebody needs it.

For each task miniwdl imports an error from ``docker.errors``, which only its own Docker backend
raises, and so all of Docker's client and what that needs: 5 MiB and a tenth of a second.
"""

import importlib
import importlib.util
import sys
import types
from typing import Any

PACKAGE, ERRORS = "docker", "docker.errors"


class BuildError(Exception):
    """Stands for ``docker.errors.BuildError``, which cannot be raised before Docker is there."""


def leave_docker_alone() -> None:
    """Have ``from docker.errors import BuildError`` load nothing.

    Whoever asks these two modules for anything else, or imports another one of the package, gets
    what is installed.
    """
    if PACKAGE in sys.modules or importlib.util.find_spec(PACKAGE) is None:
        return
    package, errors = types.ModuleType(PACKAGE), types.ModuleType(ERRORS)
    vars(package).update(__getattr__=lambda name: _installed(PACKAGE, name), errors=errors)
    vars(errors).update(__getattr__=lambda name: _installed(ERRORS, name), BuildError=BuildError)
    sys.modules.update({PACKAGE: package, ERRORS: errors})


def _installed(module: str, name: str) -> Any:
    is_import = (module, name) == (PACKAGE, "__path__")  # of docker.types, for instance
    if name.startswith("__") and not is_import:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    for each in (PACKAGE, ERRORS):
        if each in sys.modules and "__file__" not in vars(sys.modules[each]):
            del sys.modules[each]
    return getattr(importlib.import_module(module), name)
