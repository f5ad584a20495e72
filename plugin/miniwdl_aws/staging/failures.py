"""What went wrong with an input on S3, as a sentence for who gave it."""

import errno
from pathlib import Path

from miniwdl_aws.errors import (
    AwsAccessDeniedError,
    AwsCredentialsError,
    AwsError,
    AwsNotFoundError,
    StagingError,
)

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_LET_IT_BE_READ = (
    "Let the role of the job read it (s3:GetObject, and kms:Decrypt if a key of KMS encrypts it) "
    "and list its bucket (s3:ListBucket): without the latter S3 says the same of what does not "
    "exist. "
    "If the requester pays, set [aws] s3_requester_pays."
)
_CHANGED = frozenset({"PreconditionFailed", "412"})


def explain(uri: str, exc: AwsError | OSError, cache: Path) -> StagingError:
    """Translate what befell an input.

    Args:
        uri: the input.
        exc: what was raised.
        cache: the folder of the download cache.
    """
    problem, remedy, category = _of_system(exc, cache) if isinstance(exc, OSError) else _of_aws(exc)
    return StagingError(uri, problem, remedy=remedy, category=category)


def _of_system(exc: OSError, cache: Path) -> tuple[str, str, str]:
    if exc.errno in _NO_SPACE:
        return (
            f"could not be written below {cache}: no space is left ({exc.strerror})",
            "Free some, or set [download_cache] dir to a folder that has more.",
            "no space",
        )
    return f"could not be written below {cache}: {exc}", "See that it can be.", "failed"


def _of_aws(exc: AwsError) -> tuple[str, str, str]:
    if exc.code in _CHANGED:
        return (
            "changed while it was downloaded",
            "Run again once nobody writes to it.",
            "changed",
        )
    if exc.code == "InvalidObjectState":
        return (
            "lies in an archive and cannot be read",
            "Restore it (RestoreObject, or the button of S3's console), then run again.",
            "archived",
        )
    if isinstance(exc, AwsNotFoundError):
        return f"does not exist ({exc.code})", "Check bucket and key.", "missing"
    if isinstance(exc, (AwsAccessDeniedError, AwsCredentialsError)):
        return (
            f"cannot be read, and is not public ({exc.code}: {exc.detail.rstrip('.')})",
            _LET_IT_BE_READ,
            "denied",
        )
    return f"could not be downloaded: {str(exc).rstrip('.')}", "Run again.", "failed"
