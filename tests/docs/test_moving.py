"""The page for users of miniwdl-aws 0.12 claims nothing that no test holds."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "moving.md"


def rows() -> list[list[str]]:
    """The table's rows, each as its cells."""
    table = PAGE.read_text().split("<!-- mended -->")[1].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_each_row_names_tests_that_there_are() -> None:
    """A fault that is said to be mended has a test that would tell if it came back."""
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    named = [re.findall(r"`(test_\w+)`", cells[2]) for cells in rows()]
    assert len(named) > 20
    assert all(named)
    assert {name for names in named for name in names} <= defined
