"""What the local AWS refuses, in Batch's own error shapes, and why it cannot start."""

from collections.abc import Iterable
from difflib import get_close_matches

from miniwdl_aws.errors import MiniwdlAwsError


def nearest(name: str, known: Iterable[str]) -> str:
    """Ask in parentheses for the name that may have been meant; nothing if none is near.

    >>> nearest("GetLogEvent", ["GetLogEvents", "PutLogEvents"])
    " (did you mean 'GetLogEvents'?)"
    """
    close = get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


class LocalAwsError(MiniwdlAwsError):
    """The local AWS cannot be started as asked."""


class BatchError(Exception):
    """An answer that is not a success.

    Args:
        message: the sentence that a client shows.
        code: the error's name in botocore's service model, or a common error's.
        http_status: the status of the HTTP answer.
    """

    def __init__(
        self, message: str, *, code: str = "ClientException", http_status: int = 400
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.http_status = http_status


def unsupported(what: str) -> BatchError:
    """Return the refusal of something that AWS Batch can do and the local AWS cannot.

    Args:
        what: the thing, as the subject of a sentence ("Array jobs").
    """
    return BatchError(f"{what}: the local AWS does not do this (AWS Batch may)")
