"""The backend in a terminal of SageMaker Studio, whose home directory task jobs mount."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from miniwdl_aws.backend.settings import SECTION, Configuration
from miniwdl_aws.clients import AwsClients
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.studio import METADATA, Studio, detect_studio, studio_layer


@dataclass(frozen=True)
class InStudio:
    """A configuration, with what Studio knows where it says nothing.

    Attributes:
        configuration: miniwdl's own.
        found: keys of the section ``[aws]``.
        user: ``uid:gid`` of the user on the file system.
    """

    configuration: Configuration
    found: Mapping[str, str]
    user: str

    def get(self, section: str, key: str, default: str | None = None) -> str:
        """Give the text of an option."""
        known = self.found.get(key, default) if section == SECTION else default
        return self.configuration.get(section, key, known)


def in_studio(
    configuration: Configuration,
    environ: Mapping[str, str],
    *,
    clients: AwsClients | None = None,
    metadata: Path = METADATA,
) -> InStudio | None:
    """Add what SageMaker Studio knows to a configuration: access point and task queue.

    Args:
        configuration: miniwdl's own.
        environ: the process's environment.
        clients: the AWS clients, if not the default ones.
        metadata: the file that Studio puts into its apps.

    Returns:
        None if this is not SageMaker Studio.

    Raises:
        ConfigurationError: the configuration names another file system or mount point.
        AwsError: AWS could not be asked.
    """
    if not metadata.is_file():
        return None
    region = configuration.get(SECTION, "region", "") or None
    clients = clients or AwsClients(region=region)
    studio = detect_studio(clients, environ, metadata)
    if studio is None:
        return None
    _refuse_elsewhere(configuration, studio)
    layer = studio_layer(clients, studio)
    found = {name: str(layer[name].value) for name in ("fsap", "task_queue") if name in layer}
    user = f"{studio.uid}:{studio.uid}"
    return InStudio(configuration, {**found, "fs": studio.fs}, user)


def _refuse_elsewhere(configuration: Configuration, studio: Studio) -> None:
    for section, key, wanted in (
        (SECTION, "fs", studio.fs),
        ("file_io", "root", studio.home.rstrip("/")),
    ):
        value = configuration.get(section, key, "").rstrip("/")
        if value not in ("", wanted):
            raise ConfigurationError(
                f"[{section}] {key}",
                f"is not {wanted}, as in SageMaker Studio domain {studio.domain}",
                value=value,
                source="miniwdl's configuration file, or the variable "
                f"MINIWDL__{section.upper()}__{key.upper()}",
                remedy=f"Set it to {wanted}.",
            )
