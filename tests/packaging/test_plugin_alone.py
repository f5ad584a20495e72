"""Without extras the plugin is small: it submits, follows and cancels with boto3 alone."""

import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent.parent.parent / "plugin" / "miniwdl_aws"

BOTO3 = {"boto3", "botocore", "jmespath", "s3transfer", "python-dateutil", "six", "urllib3"}
"""boto3 and all that it requires."""

BOTO3_MODULES = BOTO3 - {"python-dateutil"} | {"dateutil"}

NEED_AN_EXTRA = tuple(
    f"miniwdl_aws.{name}" for name in ("backend", "runner", "staging", "report", "local")
)
"""What runs inside the workflow job (extra `runner`) or is the local AWS (extra `local`)."""

NEED_AN_EXTRA_TOO = {
    f"miniwdl_aws.cli.{name}" for name in ("run_s3upload", "report", "stage", "local")
}
NEED_PYTEST = {"miniwdl_aws.pytest_plugin"}


def modules() -> list[str]:
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


SUBMIT_SIDE = [
    name
    for name in modules()
    if not name.startswith(NEED_AN_EXTRA) and name not in NEED_AN_EXTRA_TOO | NEED_PYTEST
]


def test_the_plugin_alone_brings_boto3_and_nothing_else(plugin_alone: Any) -> None:
    """Its closure is boto3's; pip and setuptools come with a virtual environment."""
    assert set(plugin_alone.distributions) - {"pip", "setuptools"} == BOTO3 | {"miniwdl-aws"}


def test_the_submit_side_imports_neither_airflow_nor_wdl(plugin_alone: Any) -> None:
    """Each of its modules can be imported first, where neither is installed."""
    found = plugin_alone.imported_by(SUBMIT_SIDE)
    known = {"miniwdl_aws", "__mp_main__", *BOTO3_MODULES, *sys.stdlib_module_names}
    assert {name: {*new} - known for name, new in found.items()} == {
        name: set() for name in SUBMIT_SIDE
    }


def test_the_configuration_of_the_workflow_job_is_installed(plugin_alone: Any) -> None:
    """`miniwdl-run-s3upload` finds it in the package, wherever that lies."""
    code = (
        "import configparser, importlib.resources, json\n"
        "parser = configparser.ConfigParser()\n"
        "file = importlib.resources.files('miniwdl_aws') / 'miniwdl_aws.cfg'\n"
        "parser.read_string(file.read_text())\n"
        "print(json.dumps(parser['scheduler']['container_backend']))"
    )
    assert plugin_alone.python(code) == "aws_batch_job"


def test_submit_explains_itself_without_an_extra(plugin_alone: Any) -> None:
    """`miniwdl-aws-submit --help` needs neither miniwdl nor credentials."""
    assert "--workflow-queue" in plugin_alone.run("miniwdl-aws-submit", "--help")
