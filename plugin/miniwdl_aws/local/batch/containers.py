"""Container properties: what is checked, what is taken, what is refused."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from miniwdl_aws.local.batch import limits
from miniwdl_aws.local.errors import BatchError, unsupported
from miniwdl_aws.local.execution import tmpfs

_UNSUPPORTED = {
    "logConfiguration": "containerProperties.logConfiguration",
    "enableExecuteCommand": "ECS Exec (enableExecuteCommand)",
}
_EC2_ONLY = ("privileged", "instanceType", "vcpus", "memory")
_LINUX_PARAMETERS = frozenset({"initProcessEnabled", "sharedMemorySize", "tmpfs"})
_CONTAINERS_LINUX_PARAMETERS = frozenset({"devices", "maxSwap", "swappiness"})
_LINUX_PARAMETERS_EC2_ONLY = ("devices", "maxSwap", "sharedMemorySize", "swappiness", "tmpfs")
_REFERENCE = re.compile(r"^Ref::(\S+)$")


def check(container: Mapping[str, Any], *, fargate: bool, images: bool) -> None:
    """Refuse what AWS refuses at registration, and what the local AWS cannot do.

    Args:
        container: the container properties of a job definition.
        fargate: whether the definition is for Fargate.
        images: whether jobs run in containers of their images.
    """
    if not container.get("image"):
        raise BatchError("Container properties image must not be empty")
    for key, what in _UNSUPPORTED.items():
        if container.get(key):
            raise unsupported(what)
    _check_linux(container.get("linuxParameters", {}), images=images)
    _check_secrets(container)
    limits.resources(container, fargate=fargate)
    if fargate:
        _check_fargate(container)
    elif container.get("ephemeralStorage") or container.get("fargatePlatformConfiguration"):
        raise BatchError("ephemeralStorage and fargatePlatformConfiguration are for Fargate only")
    _check_volumes(container, fargate=fargate)


def _check_linux(linux: Mapping[str, Any], *, images: bool) -> None:
    extra = set(linux) - _LINUX_PARAMETERS - _CONTAINERS_LINUX_PARAMETERS
    if extra:
        raise unsupported(f"linuxParameters {', '.join(sorted(extra))}")
    of_containers = set(linux) & _CONTAINERS_LINUX_PARAMETERS
    if of_containers and not images:
        raise unsupported(
            f"linuxParameters {', '.join(sorted(of_containers))} without --executor container"
        )
    if not 0 <= linux.get("swappiness", 0) <= 100 or linux.get("maxSwap", 0) < 0:  # noqa: PLR2004 - Batch API, "LinuxParameters"
        raise BatchError(
            "linuxParameters swappiness must be from 0 to 100 and maxSwap at least 0, got "
            f"{linux.get('swappiness')} and {linux.get('maxSwap')}"
        )
    for entry in linux.get("tmpfs", []):
        if not entry["containerPath"].startswith("/") or entry["size"] < 1:
            raise BatchError(
                "linuxParameters tmpfs needs an absolute containerPath and a size of at least 1 "
                f"MiB, got {entry['containerPath']!r} and {entry['size']}"
            )
        if unknown := tmpfs.unknown_options(entry.get("mountOptions", [])):
            raise unsupported(f"linuxParameters tmpfs mountOptions {', '.join(unknown)}")
    if linux.get("sharedMemorySize", 1) < 1:
        raise BatchError(
            f"linuxParameters sharedMemorySize must be at least 1, got {linux['sharedMemorySize']}"
        )


def _check_secrets(container: Mapping[str, Any]) -> None:
    secrets = [entry["name"] for entry in container.get("secrets", [])]
    if not secrets:
        return
    if not container.get("executionRoleArn"):
        raise BatchError("executionRoleArn must be provided for secrets")
    names = [*secrets, *(entry["name"] for entry in container.get("environment", []))]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise BatchError(
            "The secret name must be unique and not shared with any new or existing environment "
            f"variables set on the container: {', '.join(repeated)}"
        )


def _check_fargate(container: Mapping[str, Any]) -> None:
    if not container.get("executionRoleArn"):
        raise BatchError("EXECUTION_ROLE_ARN must be provided for Fargate (executionRoleArn)")
    for key in _EC2_ONLY:
        if container.get(key):
            raise BatchError(f"Container properties {key} is not applicable for Fargate")
    for key in _LINUX_PARAMETERS_EC2_ONLY:
        if key in container.get("linuxParameters", {}):
            raise BatchError(f"linuxParameters {key} is not applicable for Fargate")
    size = container.get("ephemeralStorage", {}).get("sizeInGiB")
    low, high = limits.FARGATE_EPHEMERAL_GIB
    if size is not None and not low <= size <= high:
        raise BatchError(f"ephemeralStorage sizeInGiB must be from {low} to {high}, got {size}")


def _check_volumes(container: Mapping[str, Any], *, fargate: bool) -> None:
    names = [volume.get("name", "") for volume in container.get("volumes", [])]
    for volume in container.get("volumes", []):
        _check_volume(volume, fargate=fargate)
    for point in container.get("mountPoints", []):
        if point.get("sourceVolume") not in names:
            raise BatchError(
                f"mountPoints sourceVolume {point.get('sourceVolume')!r} is not one of the volumes "
                f"{names}"
            )
        path = point.get("containerPath", "")
        if not path.startswith("/") or path == "/":
            raise BatchError(
                f"mountPoints containerPath must be an absolute path below /: {path!r}"
            )


def _check_volume(volume: Mapping[str, Any], *, fargate: bool) -> None:
    name = volume.get("name", "")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name):
        raise BatchError(f"volumes name is not valid: {name!r}")
    efs = volume.get("efsVolumeConfiguration")
    if fargate and volume.get("host", {}).get("sourcePath"):
        raise BatchError(f"volume {name!r}: host.sourcePath is not applicable for Fargate")
    if not efs:
        return
    authorization = efs.get("authorizationConfig", {})
    root = efs.get("rootDirectory", "/")
    if authorization.get("accessPointId") and root not in {"", "/"}:
        raise BatchError(
            f"volume {name!r}: rootDirectory must be omitted or / with an accessPointId, got {root}"
        )
    encrypted = efs.get("transitEncryption") == "ENABLED"
    if not encrypted and (
        authorization.get("accessPointId") or authorization.get("iam") == "ENABLED"
    ):
        raise BatchError(
            f"volume {name!r}: transitEncryption must be ENABLED with an access point or IAM"
        )


def substitute(command: Sequence[str], parameters: Mapping[str, str]) -> list[str]:
    """Replace the words ``Ref::name`` of a command by the parameters of those names.

    A word that names no parameter stays as it is.
    """
    result = []
    for word in command:
        match = _REFERENCE.match(word)
        result.append(parameters.get(match[1], word) if match else word)
    return result


def _merge_named(
    base: Sequence[Mapping[str, str]], changes: Sequence[Mapping[str, str]], key: str
) -> list[dict[str, str]]:
    merged = {entry[key]: dict(entry) for entry in base}
    merged.update({entry[key]: dict(entry) for entry in changes})
    return list(merged.values())


def override(container: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return container properties with the overrides of a submission applied.

    Environment variables and resource requirements are merged by name and type; the command and the
    rest replace what the definition has.
    """
    merged = dict(container)
    for key, value in overrides.items():
        if key == "environment":
            merged[key] = _merge_named(container.get(key, []), value, "name")
        elif key == "resourceRequirements":
            merged[key] = _merge_named(container.get(key, []), value, "type")
        else:
            merged[key] = value
    return merged
