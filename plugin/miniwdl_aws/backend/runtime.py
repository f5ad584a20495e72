"""Runtime attributes that miniwdl leaves to the backend."""

import logging
from collections.abc import Mapping
from typing import Any

import WDL
from WDL._util import StructuredLogMessage as Message

DEFAULT_IMAGE = "ubuntu:22.04"
DEFAULT_CPU = 1
DEFAULT_MEMORY_BYTES = 2**30


def refuse_inline_dockerfile(runtime_eval: Mapping[str, Any]) -> None:
    """Refuse what asks for an image to be built.

    Raises:
        WDL.Error.RuntimeError: the message says what to do instead.
    """
    if "inlineDockerfile" in runtime_eval:
        raise WDL.Error.RuntimeError(
            "runtime.inlineDockerfile cannot be used on AWS Batch, which builds no images; "
            "build the image, push it to a registry and name it in runtime.docker"
        )


def accelerators(logger: logging.Logger, runtime_eval: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a task says of GPUs beside ``gpu``.

    Args:
        logger: told of what is ignored.
        runtime_eval: the evaluated attributes.

    Returns:
        Entries for ``TaskContainer.runtime_values``.
    """
    values: dict[str, Any] = {}
    kind = runtime_eval.get("acceleratorType")
    if kind is not None:
        if str(kind.coerce(WDL.Type.String()).value).startswith("nvidia"):
            values["gpu"] = True
            values["acceleratorType"] = kind.value
        else:
            logger.warning(Message("ignored runtime.acceleratorType: not nvidia", value=kind.value))
    if "acceleratorCount" in runtime_eval:
        count = runtime_eval["acceleratorCount"].coerce(WDL.Type.Int()).value
        values["acceleratorCount"] = count
    return values
