"""Running a WDL workflow: submission alone, and submission with waiting."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_miniwdl_aws import xcoms
from airflow_provider_miniwdl_aws.failures import what_no_retry_can_mend
from airflow_provider_miniwdl_aws.operators.base import MiniwdlBatchOperator
from airflow_provider_miniwdl_aws.waiting import JobWaiter
from miniwdl_aws.errors import InvalidInputError

if TYPE_CHECKING:
    from airflow_provider_miniwdl_aws.identity import RunIdentity
    from miniwdl_aws.clients import AwsClients
    from miniwdl_aws.outcome import Outcome
    from miniwdl_aws.plan import Plan
    from miniwdl_aws.settings import Layer


Inputs = Mapping[str, Any] | str
"""Inputs by name, as JSON text, or the path of a file that holds them."""


class MiniwdlSubmitOperator(MiniwdlBatchOperator):
    """Submits a WDL workflow to AWS Batch, and does not wait for it.

    The WDL source and the inputs are checked before anything is submitted. A retry adopts the
    workflow job of an earlier try if it lives or has succeeded; clearing the task runs it anew.

    Returns:
        The id of the workflow job.

    Args:
        wdl: the WDL source: a file of the worker (relative paths also from the DAG's folder), a
            zip, a URL, an ``s3://`` URI or a path on the shared file system.
        inputs: the workflow's inputs as a dictionary, as JSON text, or as the path of a JSON or
            YAML file; or a list of those, of which the later ones win. Files are named by
            ``s3://`` URIs or paths on the shared file system.
        miniwdl_args: further arguments of ``miniwdl run``.
        run_name: a name for the job that people read; the WDL file's if not given.
        task_queue_fallback: the job queue of tasks that must not be interrupted (any more).
        pass_environment: whether the worker's ``MINIWDL__*`` variables pass into the job.
        s3upload: where the workflow job publishes the run itself; its name is appended unless
            this ends in a slash.
        delete_after: after which outcome the workflow job deletes the run directory, once
            published: ``always``, ``success`` or ``failure``.
        exchange: an ``s3://`` prefix for WDL sources and inputs too large to travel inline.
        kwargs: the arguments of `MiniwdlBatchOperator` and of Airflow's ``BaseOperator``.
    """

    template_fields: Sequence[str] = (
        "wdl",
        "inputs",
        "miniwdl_args",
        "run_name",
        "task_queue_fallback",
        "pass_environment",
        "s3upload",
        "delete_after",
        "exchange",
        *MiniwdlBatchOperator.template_fields,
    )
    template_fields_renderers = {"inputs": "json", "tags": "json"}  # noqa: RUF012  (Airflow's form)

    def __init__(  # noqa: PLR0913  (Airflow templates and maps constructor arguments one by one)
        self,
        *,
        wdl: str | os.PathLike[str],
        inputs: Inputs | Sequence[Inputs] | None = None,
        miniwdl_args: Sequence[str] = (),
        run_name: str | None = None,
        task_queue_fallback: str | None = None,
        pass_environment: bool | str | None = None,
        s3upload: str | None = None,
        delete_after: str | None = None,
        exchange: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wdl = wdl
        self.inputs = inputs
        self.miniwdl_args = miniwdl_args
        self.run_name = run_name
        self.task_queue_fallback = task_queue_fallback
        self.pass_environment = pass_environment
        self.s3upload = s3upload
        self.delete_after = delete_after
        self.exchange = exchange

    def execute(self, context: Any) -> Any:
        """Submit the workflow job.

        Returns:
            Its id.
        """
        with what_no_retry_can_mend():
            hook = self.make_hook()
            submission = self.submit_job(context, hook)
        xcoms.push_job(context, hook.clients.region, submission.job_id)
        return submission.job_id

    def make_plan(
        self,
        clients: "AwsClients",
        layers: Sequence["Layer"],
        environ: Mapping[str, str],
        identity: "RunIdentity",
    ) -> "Plan":
        """Check the workflow and its inputs, and plan its job."""
        from miniwdl_aws.submission import prepare  # noqa: PLC0415  (boto3 is not for parsing DAGs)

        return prepare(
            clients,
            layers,
            environ,
            self.miniwdl_arguments(),
            run_key=identity.run_key,
            generation=identity.generation,
            name=self.run_name,
            owner=self.owner,
        )

    def miniwdl_arguments(self) -> list[str]:
        """Give the arguments of ``miniwdl run``, as a person would type them."""
        arguments = [self._source(), *(str(each) for each in self.miniwdl_args or ())]
        for layer in _layers(self.inputs):
            arguments += ["-i", layer if isinstance(layer, str) else _as_json(layer)]
        return arguments

    def _source(self) -> str:
        source = os.fspath(self.wdl)
        folder = getattr(self.get_dag(), "folder", None)
        if "://" in source or Path(source).exists() or not folder:
            return source
        beside = Path(folder) / source
        return str(beside) if beside.exists() else source


def _layers(inputs: Inputs | Sequence[Inputs] | None) -> Sequence[Inputs]:
    if inputs is None:
        return ()
    return [inputs] if isinstance(inputs, str | Mapping) else inputs


def _as_json(inputs: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(inputs), sort_keys=True)
    except (TypeError, ValueError) as exc:
        raise InvalidInputError(f"inputs cannot be written as JSON: {exc}") from exc


class MiniwdlRunOperator(JobWaiter, MiniwdlSubmitOperator):
    """Runs a WDL workflow on AWS Batch: submits it, waits for it, gives its outputs.

    Killing the task ends the workflow job and its task jobs: in a worker with any Airflow, while
    deferred with Airflow 3.3 or newer.

    Returns:
        The workflow's outputs by name: files as ``s3://`` URIs if ``s3upload`` is set, else as
        paths on the shared file system. The XComs ``job_id``, ``run_dir`` and ``published`` hold
        the rest.

    Args:
        deferrable: whether the triggerer waits; else this worker does.
        stream_log: whether the workflow's log is copied into the task's.
        kwargs: the arguments of `MiniwdlSubmitOperator`.
    """

    def __init__(self, *, deferrable: bool = True, stream_log: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.stream_log = stream_log

    def execute(self, context: Any) -> Any:
        """Submit the workflow job and wait for it.

        Returns:
            The workflow's outputs by name.
        """
        with what_no_retry_can_mend():
            hook = self.make_hook()
            submission = self.submit_job(context, hook)
        return self.wait_for_job(context, submission.job_id, hook)

    def result(self, job_id: str, outcome: "Outcome") -> Any:  # noqa: ARG002  (one signature)
        """Give the workflow's outputs."""
        return dict(outcome.outputs or {})
