"""How output becomes log events."""

import itertools

from hypothesis import given, strategies as st

from miniwdl_aws.local.execution.output import MAX_EVENT_BYTES, LineSplitter


@given(text=st.text(st.characters(exclude_characters="\r")), cuts=st.lists(st.integers(0, 400)))
def test_lines_do_not_depend_on_how_they_arrive(text: str, cuts: list[int]) -> None:
    """Cut anywhere, inside a character too, the same lines come out."""
    data = text.encode("utf-8", "replace")
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    splitter = LineSplitter()
    lines = []
    for begin, end in itertools.pairwise(edges):
        lines += splitter.feed(data[begin:end])
    lines += splitter.feed(b"", last=True)
    expected = data.decode().split("\n")
    assert lines == (expected if expected[-1] else expected[:-1])


def test_a_long_line_becomes_several_events() -> None:
    """No event is larger than CloudWatch Logs takes, and no character is lost or cut."""
    text = "é" * MAX_EVENT_BYTES
    lines = LineSplitter().feed(text.encode() + b"\n")
    assert len(lines) > 1
    assert "".join(lines) == text
    assert max(len(line.encode()) for line in lines) <= MAX_EVENT_BYTES


def test_a_line_without_end_does_not_grow_for_ever() -> None:
    """It is passed on once it is as large as an event may be."""
    splitter = LineSplitter()
    lines = [line for _ in range(10) for line in splitter.feed(b"x" * 100_000)]
    assert sum(map(len, lines)) >= 1_000_000 - MAX_EVENT_BYTES - 100_000


def test_bytes_that_are_no_text_are_replaced() -> None:
    """Output of any kind can be logged."""
    assert LineSplitter().feed(b"a\xff\xfeb\r\n") == ["a\ufffd\ufffdb"]
