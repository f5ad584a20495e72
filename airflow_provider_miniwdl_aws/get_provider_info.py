"""What Airflow's provider manager reads inside ``import airflow``; so it imports nothing."""

from typing import Any

_INTEGRATION = "miniwdl on AWS Batch"

_PACKAGE = "airflow_provider_miniwdl_aws"

_TEXT = {"type": ["string", "null"]}

_NUMBER = {"type": ["number", "null"]}

_SWITCH = {"type": ["boolean", "null"]}

_FIELDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("aws_conn_id", "AWS connection", "Airflow connection with credentials; empty: boto3's", _TEXT),
    ("region_name", "AWS region", "Empty: that of the AWS connection, else boto3's", _TEXT),
    ("workflow_queue", "Workflow job queue", "Fargate queue of workflow jobs", _TEXT),
    ("task_queue", "Task job queue", "Empty: the workflow queue's tag DefaultTaskQueue", _TEXT),
    ("task_queue_fallback", "Fallback task queue", "For tasks that must not be interrupted", _TEXT),
    ("fsap", "EFS access point", "fsap-…; empty: the workflow queue's tag DefaultFsap", _TEXT),
    ("efs", "Shared file system is EFS", "Empty: true; false: hosts mount another one", _SWITCH),
    ("mount", "Mount point", "Where all jobs mount it; empty: /mnt/efs (no EFS: /mnt/net)", _TEXT),
    ("dir", "Run root", "Folder of run directories; empty: MOUNT/miniwdl_run", _TEXT),
    ("workflow_role", "Workflow role", "IAM role's ARN; empty: tag WorkflowEngineRoleArn", _TEXT),
    ("image", "Workflow image", "The image with miniwdl-aws[runner]", _TEXT),
    ("cpu", "Workflow job vCPUs", "Empty: 1", _NUMBER),
    ("memory_gib", "Workflow job memory (GiB)", "Empty: 4", _NUMBER),
    ("public_ip", "Public address", "Needed in subnets without NAT; empty: true", _SWITCH),
    ("pass_environment", "Pass MINIWDL__* variables", "From worker to job; empty: true", _SWITCH),
    ("s3upload", "Publish to", "s3://BUCKET/PREFIX under which runs are published", _TEXT),
    ("delete_after", "Delete run directory after", "always, success or failure", _TEXT),
    ("exchange", "Exchange", "s3://BUCKET/PREFIX for large WDL sources and inputs", _TEXT),
    ("job_timeout_seconds", "Workflow job time-out (s)", "Empty: 14 days", _NUMBER),
    ("workflow_attempts", "Workflow job attempts", "When its host fails; empty: 3", _NUMBER),
    ("secrets", "Secrets", "Variables of the job by ARN, as a JSON object", _TEXT),
    ("tags", "Cost tags", "Of the job and its task jobs, as a JSON object", _TEXT),
)
"""The form's fields: names, labels, descriptions and schemas.

All but the first two are the names in ``miniwdl_aws.settings.SETTINGS``, as a test checks.
"""


def get_provider_info() -> dict[str, Any]:
    """Describe the provider to Airflow (schema: Airflow's ``provider_info.schema.json``)."""
    return {
        "package-name": "airflow-provider-miniwdl-aws",
        "name": "miniwdl on AWS Batch",
        "description": "Run WDL workflows with miniwdl on AWS Batch.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://miniwdl.readthedocs.io/",
                "tags": ["aws", "service"],
            }
        ],
        "operators": [_modules("operators.submit", "operators.run_directory")],
        "sensors": [_modules("sensors.run")],
        "hooks": [_modules("hooks.miniwdl_aws")],
        "triggers": [_modules("triggers.job")],
        "connection-types": [_connection_type()],
        "extra-links": [
            f"{_PACKAGE}.links.aws.MiniwdlJobLink",
            f"{_PACKAGE}.links.aws.MiniwdlLogLink",
            f"{_PACKAGE}.links.aws.MiniwdlOutputLink",
        ],
    }


def _modules(*names: str) -> dict[str, Any]:
    return {
        "integration-name": _INTEGRATION,
        "python-modules": [f"{_PACKAGE}.{name}" for name in names],
    }


def _connection_type() -> dict[str, Any]:
    return {
        "connection-type": "miniwdl_aws",
        "hook-class-name": f"{_PACKAGE}.hooks.miniwdl_aws.MiniwdlAwsHook",
        "hook-name": "miniwdl on AWS Batch",
        "ui-field-behaviour": {
            "hidden-fields": ["host", "schema", "login", "password", "port"],
            "relabeling": {},
            "placeholders": {
                "workflow_queue": "miniwdl-workflow",
                "fsap": "fsap-0123456789abcdef0",
                "s3upload": "s3://bucket/runs",
            },
        },
        "conn-fields": {
            name: {"label": label, "description": description, "schema": dict(schema)}
            for name, label, description, schema in _FIELDS
        },
    }
