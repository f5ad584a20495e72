"""Tests of `miniwdl_aws.names`."""

import doctest
import re
import uuid

from hypothesis import given, strategies as st

from miniwdl_aws import names

LEGAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
LEGAL_TAG = re.compile(r"[\w\s+\-=.:/@]{0,256}")


def test_the_examples_hold() -> None:
    """The docstrings' examples are what the functions give."""
    assert doctest.testmod(names).failed == 0


@given(st.lists(st.text(max_size=200), max_size=4))
def test_any_parts_make_a_legal_job_name(parts: list[str]) -> None:
    """Batch takes up to 128 letters, digits, hyphens and underscores, the first alphanumeric."""
    assert LEGAL_NAME.fullmatch(names.job_name(*parts))


@given(st.text(max_size=400))
def test_any_text_makes_a_legal_tag_value(text: str) -> None:
    """A tag's value has up to 256 characters of a small set."""
    assert LEGAL_TAG.fullmatch(names.tag_value(text))


def test_the_last_parts_of_a_long_name_are_kept() -> None:
    """Try numbers and suffixes stand at the end and must not be cut."""
    assert names.job_name("x" * 200, "try2").endswith("x-try2")


@given(st.uuids())
def test_a_task_job_prefix_is_a_legal_beginning_of_a_name(job_id: uuid.UUID) -> None:
    """ListJobs finds task jobs by it, so it survives the cleaning of names."""
    prefix = names.task_job_prefix(str(job_id))
    assert (prefix + names.job_name("call-x")).startswith(prefix)
    assert LEGAL_NAME.fullmatch(prefix + "x")


def test_a_content_hash_ignores_the_order_of_keys() -> None:
    """Equal definitions have one name, however they were written down."""
    assert names.content_hash({"a": 1, "b": 2}) == names.content_hash({"b": 2, "a": 1})
    assert names.content_hash({"a": 1}) != names.content_hash({"a": 2})
