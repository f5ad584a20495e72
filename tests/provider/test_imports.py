"""What is imported while a DAG file is parsed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import json, sys
from airflow.sdk import BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, DAG
before = set(sys.modules)
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""

HEAVY = ("boto3", "botocore", "WDL", "airflow.providers.amazon.aws", "concurrent.futures.thread")

PACKAGE = Path(__file__).parents[2] / "airflow_provider_miniwdl_aws"


@pytest.mark.parametrize("module", ["operators", "sensors", "hooks", "links.aws"])
def test_parsing_a_dag_imports_nothing_heavy(module: str) -> None:
    """Beyond ``airflow.sdk``, a DAG file costs a few small modules of our own."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(module=f"airflow_provider_miniwdl_aws.{module}")],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = json.loads(done.stdout.splitlines()[-1])
    assert [name for name in imported if name.startswith(HEAVY)] == []
    ours = {"airflow_provider_miniwdl_aws", "miniwdl_aws", *sys.stdlib_module_names}
    assert {name.split(".")[0] for name in imported} <= ours


def test_the_provider_uses_no_internal_module_of_airflow() -> None:
    """What Airflow marks internal may go away with any release."""
    text = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert "._shared" not in text
    assert "_internal" not in text
