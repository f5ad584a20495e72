"""Which failures Airflow need not try again."""

import contextlib
from collections.abc import Iterator

from airflow_provider_miniwdl_aws.compat import AirflowFailException
from miniwdl_aws.errors import ConfigurationError, InvalidInputError


@contextlib.contextmanager
def what_no_retry_can_mend() -> Iterator[None]:
    """Fail the task for good where its settings or inputs are at fault.

    Job errors and AWS's errors pass as they are: their types are what an Airflow retry policy
    decides by.

    Raises:
        AirflowFailException: for a `ConfigurationError` or `InvalidInputError`, with its message.
    """
    try:
        yield
    except (ConfigurationError, InvalidInputError) as exc:
        raise AirflowFailException(str(exc)) from exc
