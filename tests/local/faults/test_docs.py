"""The page about faults and rates says what the code does."""

import re
from pathlib import Path

import pytest

from miniwdl_aws.local.endpoint.rates import DOCUMENTED_RATES
from miniwdl_aws.local.faults import KINDS, FaultRule, Strike
from miniwdl_aws.local.faults.placement import NO_CAPACITY
from miniwdl_aws.local.faults.verdicts import ended, not_started

PAGE = (Path(__file__).parents[3] / "docs" / "local-aws.md").read_text()
ROWS: dict[str, str] = dict(re.findall(r"^\| (`[^|]+`) \| (.+) \|$", PAGE, re.MULTILINE))


def row(kind: str) -> str:
    return next(text for names, text in ROWS.items() if f"`{kind}`" in names.split(", "))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_row(kind: str) -> None:
    """The table leaves none out."""
    assert row(kind)


def test_every_key_has_a_row() -> None:
    """So does the table of keys."""
    for key in {key for kind in KINDS.values() for key in kind.keys}:
        assert row(key)


def texts(text: str) -> list[str]:
    """Return the texts between backquotes, up to where they are cut short."""
    return [found.partition("…")[0].strip() for found in re.findall(r"`([^`]+)`", text)]


@pytest.mark.parametrize(
    "kind",
    ["image-pull", "efs-mount", "docker-timeout", "spot-reclaim", "fargate-spot", "out-of-memory"],
)
def test_the_texts_of_jobs_are_those_that_show(kind: str) -> None:
    """What the page quotes is what DescribeJobs gives."""
    strike = Strike("1", FaultRule(kind=kind), b"0123456789abcdef")
    started = KINDS[kind].stage.name == "RUN"
    verdict = ended(strike, 137, None) if started else not_started(strike, "image")
    shown = f"{verdict.status_reason} {verdict.reason}"
    assert all(text in shown for text in texts(row(kind)) if text != "delay")


def test_the_reason_of_a_stuck_job_is_that_which_shows() -> None:
    """As AWS's user guide has it."""
    assert NO_CAPACITY in texts(row("stuck-runnable"))


def test_the_documented_rates_are_on_the_page() -> None:
    """Name, refill and burst."""
    for name, rate in DOCUMENTED_RATES.items():
        assert f"| `{name}` | {rate.per_second} | {rate.burst} |" in PAGE
