"""`pip install ./plugin .` in a plain virtual environment gives a working provider."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PROVIDER = ROOT / "airflow_provider_miniwdl_aws"


def entry_points() -> list[tuple[str, str, str]]:
    found = []
    for name in ("pyproject.toml", "plugin/pyproject.toml"):
        table = tomllib.loads((ROOT / name).read_text())["project"]
        groups = {"console_scripts": table.get("scripts", {}), **table.get("entry-points", {})}
        found += [(group, key, value) for group in groups for key, value in groups[group].items()]
    return found


SCRIPTS = [name for group, name, _ in entry_points() if group == "console_scripts"]


def parsed_modules() -> list[str]:
    """The provider's modules that a DAG file imports, itself or through others.

    Hooks are imported when a task runs, triggers when it defers.
    """
    paths = (path.relative_to(ROOT).with_suffix("") for path in PROVIDER.rglob("*.py"))
    names = (".".join(path.parts).removesuffix(".__init__") for path in paths)
    return sorted(name for name in names if not {"hooks", "triggers"} & {*name.split(".")})


def test_the_installed_versions_agree(installed: Any) -> None:
    """No requirement is unmet, with the versions that the project pins."""
    installed.run("python", "-m", "pip", "check")
    assert {"airflow-provider-miniwdl-aws", "miniwdl-aws"} <= set(installed.distributions)


@pytest.mark.parametrize(("group", "name", "value"), entry_points())
def test_an_entry_point_is_registered(installed: Any, group: str, name: str, value: str) -> None:
    """Airflow, miniwdl and the shell find each where pyproject.toml says."""
    code = (
        "import json, sys; from importlib.metadata import entry_points\n"
        "found = entry_points(group=sys.argv[1], name=sys.argv[2])\n"
        "print(json.dumps([point.value for point in found]))"
    )
    assert installed.python(code, group, name).count(value) == 1


def test_airflow_knows_the_provider(installed: Any, tmp_path: Path) -> None:
    """Its provider manager accepts the description, which holds for its schema too."""
    code = f"""
import json, os, pathlib
os.environ["AIRFLOW_HOME"] = {str(tmp_path)!r}
import airflow, jsonschema
from airflow.providers_manager import ProvidersManager
info = ProvidersManager().providers["airflow-provider-miniwdl-aws"]
schema = pathlib.Path(airflow.__file__).with_name("provider_info.schema.json")
jsonschema.validate(info.data, json.loads(schema.read_text()))
connections = ProvidersManager().hooks
print(json.dumps([info.version, connections["miniwdl_aws"].hook_class_name]))
"""
    version, hook = installed.python(code)
    assert version == installed.distributions["airflow-provider-miniwdl-aws"]
    assert hook == "airflow_provider_miniwdl_aws.hooks.miniwdl_aws.MiniwdlAwsHook"


def test_every_name_in_the_provider_info_can_be_imported(installed: Any, tmp_path: Path) -> None:
    """Modules of operators, sensors, hooks and triggers, the hook's class, the links' classes."""
    code = f"""
import json, os
os.environ["AIRFLOW_HOME"] = {str(tmp_path)!r}
from importlib import import_module
from airflow_provider_miniwdl_aws.get_provider_info import get_provider_info
info = get_provider_info()
listed = [entry for kind in ("operators", "sensors", "hooks", "triggers") for entry in info[kind]]
modules = [name for entry in listed for name in entry["python-modules"]]
classes = [entry["hook-class-name"] for entry in info["connection-types"]] + info["extra-links"]
for name in modules:
    import_module(name)
for name in classes:
    module, _, attribute = name.rpartition(".")
    getattr(import_module(module), attribute)
print(json.dumps(len(modules) + len(classes)))
"""
    assert installed.python(code) > 0


HEAVY = {"boto3", "botocore", "WDL", "moto", "docker", "flask"}
"""Each takes longer to import than all of the provider."""


def test_parsing_a_dag_file_imports_nothing_heavy(installed: Any) -> None:
    """Beside what `airflow.sdk` itself imports: no AWS client, no WDL parser, no local AWS."""
    found = installed.imported_by(parsed_modules(), after="airflow.sdk")
    heavy = {name: HEAVY & {*new} for name, new in found.items()}
    assert heavy == {name: set() for name in parsed_modules()}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_command_explains_itself(complete: Any, script: str) -> None:
    """With the extras that it needs, `--help` prints its usage on stdout and ends well."""
    assert script in complete.run(script, "--help")


def test_miniwdl_finds_the_backend(complete: Any) -> None:
    """What the entry points name for miniwdl can be imported where the runner is installed."""
    code = (
        "import json; from importlib.metadata import entry_points\n"
        "found = entry_points(group='miniwdl.plugin.container_backend')\n"
        "print(json.dumps({point.name: point.load().__name__ for point in found}))"
    )
    assert "aws_batch_job" in complete.python(code)
