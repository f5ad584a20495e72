"""Settings that do not go together."""

from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.fargate import refuse_impossible_size
from miniwdl_aws.settings import SubmitSettings, is_below


def refuse_contradictions(settings: SubmitSettings) -> None:
    """Refuse settings of which each is legal, but not with the others.

    Raises:
        ConfigurationError: two do not go together; the message names both.
    """
    _refuse_directory_elsewhere(settings)
    _refuse_deletion_without_publication(settings)
    _refuse_variable_that_is_a_secret(settings)
    if settings.efs:
        refuse_impossible_size(settings.cpu, settings.memory_gib)
    else:
        _refuse_what_needs_efs(settings)


def _refuse_directory_elsewhere(settings: SubmitSettings) -> None:
    if not is_below(settings.dir, settings.mount):
        raise ConfigurationError(
            "dir",
            f"is not below the mount point {settings.mount}",
            value=settings.dir,
            source=settings.sources.get("dir", "default"),
            remedy=f"Run directories lie on the shared file system: use {settings.mount}/… .",
        )


def _refuse_deletion_without_publication(settings: SubmitSettings) -> None:
    if settings.delete_after and not settings.s3upload:
        raise ConfigurationError(
            "delete_after",
            "is set, but s3upload is not",
            value=settings.delete_after,
            source=settings.sources.get("delete_after", ""),
            remedy="A run directory is deleted only once it is published: set s3upload too.",
        )


def _refuse_variable_that_is_a_secret(settings: SubmitSettings) -> None:
    both = sorted(settings.secrets.keys() & settings.environment.keys())
    if both:
        raise ConfigurationError(
            "secrets",
            f"names the variable {both[0]}, which also passes into the job as it is",
            source=settings.sources.get("secrets", ""),
            remedy=f"Unset {both[0]} here, or leave out the secret.",
        )


def _refuse_what_needs_efs(settings: SubmitSettings) -> None:
    source = settings.sources.get("fsap", "")
    if settings.fsap and source.startswith("argument"):
        raise ConfigurationError(
            "fsap",
            f"is set, but by {settings.sources.get('efs', 'efs')} there is no EFS",
            value=settings.fsap,
            source=source,
            remedy="Leave one of them out.",
        )
    if settings.cpu != int(settings.cpu) or settings.cpu < 1:
        raise ConfigurationError(
            "cpu",
            "must be a whole number without EFS, since the workflow job runs on EC2",
            value=settings.cpu,
            source=settings.sources.get("cpu", ""),
            remedy="Use 1 or more.",
        )
