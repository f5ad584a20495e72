"""Tests of what Airflow reads of the provider."""

import ast
import importlib
import inspect
import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
from airflow.triggers.base import BaseTrigger
from jsonschema import validate  # type: ignore[import-untyped]

from airflow_provider_miniwdl_aws import get_provider_info as module
from airflow_provider_miniwdl_aws.links.aws import LINKS
from miniwdl_aws.settings import SETTINGS

PACKAGE = "airflow-provider-miniwdl-aws"


@pytest.fixture(scope="module")
def info() -> dict[str, Any]:
    return module.get_provider_info()


def test_airflow_accepts_it(info: dict[str, Any]) -> None:
    """It is what Airflow's own schema asks for, and its name is the distribution's."""
    schema = Path(airflow.__file__).parent / "provider_info.schema.json"
    validate(info, json.loads(schema.read_text()))
    assert info["package-name"] == PACKAGE


def test_the_entry_point_leads_to_it() -> None:
    """The installed distribution names it to Airflow."""
    (entry,) = (
        entry
        for entry in entry_points(group="apache_airflow_provider")
        if entry.dist is not None and entry.dist.name == PACKAGE
    )
    assert entry.load() is module.get_provider_info


def test_it_imports_nothing_of_airflow() -> None:
    """It runs inside ``import airflow``; an import of airflow there would go round in a circle."""
    tree = ast.parse(inspect.getsource(module))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == ["from typing import Any"]


@pytest.mark.parametrize(
    ("section", "base"),
    [
        ("operators", BaseOperator),
        ("sensors", BaseSensorOperator),
        ("hooks", BaseHook),
        ("triggers", BaseTrigger),
    ],
)
def test_every_module_holds_what_it_is_listed_for(
    info: dict[str, Any], section: str, base: type
) -> None:
    """Each listed module can be imported, and defines such classes."""
    integrations = {each["integration-name"] for each in info["integrations"]}
    for entry in info[section]:
        assert entry["integration-name"] in integrations
        for name in entry["python-modules"]:
            members = vars(importlib.import_module(name)).values()
            own = [each for each in members if getattr(each, "__module__", "") == name]
            assert any(isinstance(each, type) and issubclass(each, base) for each in own), name


def test_every_link_is_registered(info: dict[str, Any]) -> None:
    """A link that Airflow does not know is not shown."""
    used = {f"{type(link).__module__}.{type(link).__name__}" for link in LINKS}
    assert set(info["extra-links"]) == used


def test_the_form_has_a_field_for_every_setting(info: dict[str, Any]) -> None:
    """The connection's form and the table of settings say the same names."""
    (connection,) = info["connection-types"]
    expected = ["aws_conn_id", "region_name", *(setting.name for setting in SETTINGS)]
    assert list(connection["conn-fields"]) == expected


def test_airflow_shows_the_form() -> None:
    """Airflow's provider manager makes the connection's form of it, and finds the hook."""
    hook = ProvidersManagerTaskRuntime().hooks["miniwdl_aws"]  # type: ignore[no-untyped-call]
    assert hook is not None
    assert hook.hook_name == "miniwdl on AWS Batch"
    manager = ProvidersManager()  # type: ignore[no-untyped-call]
    fields = manager.connection_form_widgets
    assert "extra__miniwdl_aws__workflow_queue" in fields
    assert "password" in manager.field_behaviours["miniwdl_aws"]["hidden_fields"]
