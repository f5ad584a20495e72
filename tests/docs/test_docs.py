"""The documentation is true: its tables, links, DAGs and commands."""

import configparser
import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from miniwdl_aws.backend.call_cache import REASONS
from miniwdl_aws.report import model
from miniwdl_aws.settings import SETTINGS

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "plugin" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

ELSEWHERE = {
    "make demo": "tests/e2e",
    "make test": ".ci/run",
    "make check": ".ci/run",
    "make bench": ".ci/run",
    "pip install ./plugin .": "tests/packaging",
}
"""Commands that other tests run, or that run the tests: where to look for them."""


PAGES_ELSEWHERE = {"docs/workflow-image.md": "tests/container/test_docs.py"}
"""Pages whose commands a test of their own runs."""


def blocks(language: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"^```(?:{language})\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [
        (f"{page.relative_to(ROOT)}-{number}", text)
        for page in PAGES
        if str(page.relative_to(ROOT)) not in PAGES_ELSEWHERE
        for number, text in enumerate(pattern.findall(page.read_text()), start=1)
    ]


def commands(block: str) -> list[str]:
    joined = block.replace("\\\n", " ")
    lines = [line.split("  #")[0].strip() for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def is_run_elsewhere(command: str) -> bool:
    return any(command.split("   ", maxsplit=1)[0].startswith(known) for known in ELSEWHERE)


HERE = [
    pytest.param(block, id=name)
    for name, block in blocks("sh|bash|shell|console")
    if not all(is_run_elsewhere(command) for command in commands(block))
]


@pytest.mark.parametrize("block", HERE)
def test_the_commands_of_a_page_run(block: str, tmp_path: Path) -> None:
    """A reader who types what a page says gets what it says."""
    script = "\n".join(command for command in commands(block) if not is_run_elsewhere(command))
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize(("command", "place"), sorted(ELSEWHERE.items()))
def test_what_is_run_elsewhere_is_run_there(command: str, place: str) -> None:
    """An exemption names a place that really has the command or its words."""
    path = ROOT / place
    files = [path] if path.is_file() else list(path.rglob("*.py"))
    texts = [each.read_text() for each in files]
    words = command.rsplit(maxsplit=1)[-1] if command.startswith("make") else "plugin"
    assert any(words in text for text in texts)


@pytest.mark.parametrize(("page", "place"), sorted(PAGES_ELSEWHERE.items()))
def test_a_page_that_is_run_elsewhere_is_read_there(page: str, place: str) -> None:
    """Its test takes the commands from the page itself."""
    assert Path(page).name in (ROOT / place).read_text()


def test_the_settings_table_is_the_table_of_the_code() -> None:
    """Options, variables and tags are documented as they are."""
    page = (ROOT / "docs" / "submit.md").read_text()
    table = page.split("<!-- settings -->")[1].split("<!-- /settings -->")[0]
    rows = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in table.splitlines()[3:]]
    documented = [(row[0], row[1], row[2]) for row in rows if row]
    assert documented == [
        (setting.flag, setting.variables[0] if setting.variables else "", setting.tag)
        for setting in SETTINGS
    ]


def test_the_configuration_is_documented_line_by_line() -> None:
    """Every key of the packaged file has a row, and every key of the backend, set or not."""
    text = (ROOT / "plugin" / "miniwdl_aws" / "miniwdl_aws.cfg").read_text()
    packaged = configparser.RawConfigParser()
    packaged.read_string(text)
    page = (ROOT / "docs" / "configuration.md").read_text()
    table = page.split("<!-- cfg -->")[1].split("<!-- /cfg -->")[0]
    documented = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", table, re.MULTILINE)
    set_there = [(name, key) for name in packaged.sections() for key in packaged[name]]
    assert documented == [each for each in set_there if each[0] != "aws"]
    backend = (ROOT / "docs" / "backend.md").read_text()
    keys = re.findall(r"^(?:# )?(\w+) =", text.split("[aws]")[1], re.MULTILINE)
    assert [key for key in keys if f"| `{key}` |" not in backend] == []


def test_the_reasons_of_cache_misses_are_documented() -> None:
    """Every reason has a row."""
    page = (ROOT / "docs" / "report.md").read_text()
    table = page.split("<!-- misses -->")[1].split("<!-- /misses -->")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)[1:]) == REASONS


@pytest.mark.parametrize(
    ("title", "of"),
    [
        ("run", model.Run),
        ("calls[]", model.Call),
        ("attempts[]", model.Attempt),
        ("totals", model.Totals),
    ],
)
def test_the_members_of_the_report_are_documented(title: str, of: type) -> None:
    """The page names all members of the report, and none that it has not."""
    page = (ROOT / "docs" / "report.md").read_text()
    rows = page.split(f"| `{title}` |")[1].split("\n\n")[0].splitlines()[2:]
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(names) == sorted(each.name for each in dataclasses.fields(of))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    """A page that moves takes its links along."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    local = [link for link in links if "://" not in link]
    missing = [link for link in local if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("block", [pytest.param(text, id=name) for name, text in blocks("python")])
def test_python_on_a_page_runs(block: str, tmp_path: Path) -> None:
    """A DAG that is shown can be loaded, and an example that is shown does what it says."""
    path = tmp_path / "shown.py"
    path.write_text(block)
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
