"""The page about the example quotes DAGs that run."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "example.md"
QUOTE = re.compile(r"<!-- quote: (\S+) (\w+) -->\n```py\n(.*?)```", re.DOTALL)


def marked(path: Path, name: str) -> str:
    """Give what stands between the markers of a name."""
    text = path.read_text()
    start, end = f"# [START {name}]\n", f"# [END {name}]"
    assert text.count(start) == text.count(end) == 1
    return text.partition(start)[2].partition(end)[0]


def test_the_page_quotes_the_example_dags_as_they_are() -> None:
    """Each quotation is the text between the markers of a DAG file."""
    quotes = QUOTE.findall(PAGE.read_text())
    assert {name for _, name, _ in quotes} == {"four_tasks", "one_operator"}
    for file, name, quoted in quotes:
        assert quoted == marked(ROOT / file, name)


def test_the_page_names_every_output_of_the_workflow() -> None:
    """What the workflow puts out is what the page promises."""
    wdl = (ROOT / "example_dags" / "wdl" / "assemble_viral.wdl").read_text()
    section = wdl.rpartition("  output {")[2]
    outputs = re.findall(r"^    \w+ (\w+) =", section, re.MULTILINE)
    assert len(outputs) == 12
    page = PAGE.read_text()
    assert [name for name in outputs if f"`{name}`" not in page] == []
