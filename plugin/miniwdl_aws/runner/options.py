"""What a run is asked for, from arguments and environment."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miniwdl_aws.arguments import changed, parse_arguments, write_arguments
from miniwdl_aws.bundle import BUNDLE_VARIABLE
from miniwdl_aws.environment import current_attempt, current_job_id
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.options import PACKAGED_CFG
from miniwdl_aws.plan import RUN_KEY_VARIABLE
from miniwdl_aws.settings import arguments_layer, environment_layer, merge

OWN_VARIABLES = (
    BUNDLE_VARIABLE,
    RUN_KEY_VARIABLE,
    "MINIWDL__AWS__S3_UPLOAD_FOLDER",
    "MINIWDL__AWS__DELETE_AFTER_S3_UPLOAD",
    "MINIWDL__AWS__S3_UPLOAD_DELETE_AFTER",
    "MINIWDL__AWS__WORKFLOW_QUEUE",
    "MINIWDL__AWS__WORKFLOW_ROLE",
    "MINIWDL__AWS__WORKFLOW_IMAGE",
    "MINIWDL__AWS__EXCHANGE",
)
"""Variables that mean nothing to miniwdl, which would warn of them."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run is asked for.

    Attributes:
        arguments: those of ``miniwdl run``, without ``--dir``.
        parsed: the same, as miniwdl reads them.
        directory: where the run directory is made.
        exactly: whether ``directory`` itself shall be the run directory.
        root: the mount point of the shared file system.
        s3upload: where to publish; empty for nowhere.
        delete_after: after which outcome to delete the run directory; empty for never.
        bundle: the bundle's text or address; empty for none.
        environment: miniwdl's environment.
        job_id: the workflow job that this is; empty outside AWS Batch.
        attempt: which attempt of it this is.
        run_key: what the run is for; empty if the submitter said nothing.
    """

    arguments: tuple[str, ...]
    parsed: Any
    directory: Path
    exactly: bool
    root: Path
    s3upload: str
    delete_after: str
    bundle: str
    environment: Mapping[str, str]
    job_id: str
    attempt: int
    run_key: str


def read_options(
    arguments: Sequence[str], own: Mapping[str, str | None], environ: Mapping[str, str]
) -> RunOptions:
    """Merge the runner's own arguments, those of miniwdl, and the environment.

    Args:
        arguments: those of ``miniwdl run``.
        own: ``s3upload``, ``delete_after`` and ``task_queue``, where given.
        environ: the process's environment.

    Raises:
        ConfigurationError: a value is wrong, or two contradict each other.
        InvalidInputError: the arguments are not those of ``miniwdl run``.
    """
    layers = [arguments_layer(own, flags=True), environment_layer(environ)]
    merged = {name: sourced.value for name, sourced in merge(layers).items()}
    s3upload, delete_after = merged.get("s3upload") or "", merged.get("delete_after") or ""
    if delete_after and not s3upload:
        raise ConfigurationError(
            "delete_after",
            "is set, but s3upload is not",
            value=delete_after,
            remedy="A run directory is deleted only once it is published: set --s3upload or "
            "MINIWDL__AWS__S3_UPLOAD_FOLDER too.",
        )
    parsed = parse_arguments(arguments)
    environment = miniwdl_environment(environ, task_queue=own.get("task_queue"), cfg=parsed.cfg)
    root = file_io_root(environment, parsed.cfg)
    directory, exactly = _directory(parsed.run_dir, root)
    return RunOptions(
        arguments=tuple(write_arguments(changed(parsed, run_dir=None))),
        parsed=parsed,
        directory=directory,
        exactly=exactly,
        root=root,
        s3upload=s3upload,
        delete_after=delete_after,
        bundle=environ.get(BUNDLE_VARIABLE, ""),
        environment=environment,
        job_id=current_job_id(environ) or "",
        attempt=current_attempt(environ),
        run_key=environ.get(RUN_KEY_VARIABLE, ""),
    )


def miniwdl_environment(
    environ: Mapping[str, str], *, task_queue: str | None, cfg: str | None
) -> dict[str, str]:
    """Give the environment in which miniwdl runs.

    Its configuration file is the packaged one unless the user has another: ``--cfg``,
    ``MINIWDL_CFG``, or ``miniwdl.cfg`` in the XDG configuration directories.
    """
    environment = {name: text for name, text in environ.items() if name not in OWN_VARIABLES}
    if task_queue:
        environment["MINIWDL__AWS__TASK_QUEUE"] = task_queue
    if not (cfg or environ.get("MINIWDL_CFG") or _has_user_configuration()):
        environment["MINIWDL_CFG"] = str(PACKAGED_CFG)
    return environment


def file_io_root(environment: Mapping[str, str], cfg: str | None) -> Path:
    """Give the mount point of the shared file system, as miniwdl reads it."""
    from WDL.runtime.config import Loader  # noqa: PLC0415  (with miniwdl; not for --help)

    given = environment.get("MINIWDL__FILE_IO__ROOT")
    if given:
        return Path(given)
    named = cfg or environment.get("MINIWDL_CFG")
    quiet = logging.getLogger(f"{__name__}.file")
    quiet.setLevel(logging.WARNING)
    loader = Loader(quiet, filenames=named.split(":") if named else None)
    return Path(str(loader.get("file_io", "root")))


def _directory(run_dir: str | None, root: Path) -> tuple[Path, bool]:
    if run_dir is None:
        return root / "miniwdl_run", False
    exactly = run_dir in (".", "./") or run_dir.endswith(("/.", "/./"))
    return Path(run_dir).absolute(), exactly


def _has_user_configuration() -> bool:
    from xdg import XDG_CONFIG_DIRS, XDG_CONFIG_HOME  # noqa: PLC0415  (with miniwdl)

    return any((folder / "miniwdl.cfg").is_file() for folder in (*XDG_CONFIG_DIRS, XDG_CONFIG_HOME))
