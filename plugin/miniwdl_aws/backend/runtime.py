"""Runtime attributes that miniwdl leaves to the backend."""

import logging
import math
import re
from collections.abc import Mapping
from typing import Any

import WDL
from WDL._util import StructuredLogMessage as Message, parse_byte_size

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


_DISK_SIZE = re.compile(r"(?<![\w/.-])(\d+(?:\.\d+)?)\s*([KMGT]i?B?)?(?![\w/.-])", re.IGNORECASE)


def disk_gib(logger: logging.Logger, runtime_eval: Mapping[str, Any]) -> int:
    """Read how much disk a task asks for, in all the forms that WDL has seen.

    Args:
        logger: told of what cannot be read.
        runtime_eval: the evaluated attributes.

    Returns:
        GiB, the sum of all disks; 0 if none is asked for, or what is asked for cannot be read.
    """
    disks = runtime_eval.get("disks")
    if disks is None:
        return 0
    sizes = [_disk_bytes(text) for text in _disk_texts(disks.json)]
    if not sizes or None in sizes:
        logger.warning(Message("ignored runtime.disks: no size in it", value=disks.json))
        return 0
    return math.ceil(sum(size for size in sizes if size) / 2**30)


def _disk_texts(value: Any) -> list[str]:
    """Give one text for each disk: of a list, of mount points with sizes, of a comma's sides."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in _disk_texts(each)]
    return [text for text in str(value).split(",") if text.strip()]


def _disk_bytes(text: str) -> float | None:
    """Give the size in a disk's text; without a unit it is GiB (WDL specification, "disks").

    >>> [_disk_bytes(text) for text in ("local-disk 2 SSD", "/mnt/x 500 MiB", "SSD")]
    [2147483648, 524288000, None]
    """
    found = _DISK_SIZE.search(text)
    if not found:
        return None
    return parse_byte_size(f"{found[1]}{found[2] or 'GiB'}")


def shared_memory_bytes(runtime_eval: Mapping[str, Any]) -> int:
    """Read how large ``/dev/shm`` shall be; 0 for what the host gives.

    Raises:
        WDL.Error.RuntimeError: it is no size.
    """
    size = runtime_eval.get("shared_memory")
    if size is None:
        return 0
    text = size.coerce(WDL.Type.String()).value
    try:
        return int(parse_byte_size(text))
    except ValueError:
        raise WDL.Error.RuntimeError(f"invalid setting of runtime.shared_memory, {text}") from None
