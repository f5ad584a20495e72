"""Operators of the provider."""

from airflow_provider_miniwdl_aws.operators.run_directory import (
    MiniwdlEfsCleanupOperator,
    MiniwdlS3UploadOperator,
)
from airflow_provider_miniwdl_aws.operators.submit import (
    MiniwdlRunOperator,
    MiniwdlSubmitOperator,
)

__all__ = [
    "MiniwdlEfsCleanupOperator",
    "MiniwdlRunOperator",
    "MiniwdlS3UploadOperator",
    "MiniwdlSubmitOperator",
]
