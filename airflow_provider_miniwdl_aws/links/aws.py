"""Buttons on a task's page that lead to its job, its log and its published outputs.

The addresses are stored as XComs under ``_link_<Class>`` as soon as they are known, whatever
``do_xcom_push`` says, so that they show while the task is deferred too.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class _StoredLink(BaseOperatorLink):
    """A link whose address a run of the task has stored."""

    from_earlier_stages = False

    @property
    def xcom_key(self) -> str:
        """The key of the XCom that holds the address."""
        return f"_link_{type(self).__name__}"

    def store(self, context: Mapping[str, Any], url: str) -> None:
        """Remember the address for the task's page."""
        task = context["task"]
        task.stored_links = {**task.stored_links, self.xcom_key: url}
        context["ti"].xcom_push(key=self.xcom_key, value=url)

    def get_link(self, operator: "BaseOperator", *, ti_key: "TaskInstanceKey") -> str:
        """Give the address, or an empty text while it is not known.

        Airflow asks after each stage of a task, in the worker, and stores the answer under the
        same key; so what an earlier stage has stored must be answered again.
        """
        from airflow.sdk.execution_time.xcom import XCom  # noqa: PLC0415  (not for parsing DAGs)

        stored: Mapping[str, str] = getattr(operator, "stored_links", {})
        if self.xcom_key in stored:
            return stored[self.xcom_key]
        if self.from_earlier_stages and getattr(operator, "resumed", False):
            return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""
        return ""


class MiniwdlJobLink(_StoredLink):
    """The workflow job's page in AWS Batch."""

    name = "AWS Batch job"
    from_earlier_stages = True


class MiniwdlLogLink(_StoredLink):
    """The workflow job's log in CloudWatch."""

    name = "CloudWatch log"
    from_earlier_stages = True


class MiniwdlOutputLink(_StoredLink):
    """The folder on S3 where the run was published."""

    name = "Published outputs"


LINKS = (MiniwdlJobLink(), MiniwdlLogLink(), MiniwdlOutputLink())
"""The links of every operator and sensor of the provider."""
