"""What Airflow's provider manager reads; it runs inside ``import airflow``, so it imports nothing."""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Describe the provider to Airflow (schema: Airflow's ``provider_info.schema.json``)."""
    return {
        "package-name": "airflow-provider-miniwdl-aws",
        "name": "miniwdl on AWS Batch",
        "description": "Run WDL workflows with miniwdl on AWS Batch.",
    }
