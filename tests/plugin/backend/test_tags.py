"""Tests of `miniwdl_aws.backend.tags` and `miniwdl_aws.backend.identity`."""

from pathlib import Path

import pytest
import WDL
from hypothesis import given, strategies as st

from miniwdl_aws.backend.identity import TASKS, identify, task_plugin
from miniwdl_aws.backend.tags import PLACEHOLDERS, check_tags, fill

ALL = {"all": "-".join(f"{{{name}}}" for name in PLACEHOLDERS)}


def test_placeholders_are_filled() -> None:
    """Each stands for its value; doubled braces are braces, and become legal."""
    values = {name: name.upper() for name in PLACEHOLDERS}
    assert fill(ALL, values) == {"all": "-".join(values.values())}
    assert fill({"k": "a{{b}}"}, {}) == {"k": "a_b_"}


@given(values=st.fixed_dictionaries({name: st.text() for name in PLACEHOLDERS}))
def test_any_value_becomes_legal(values: dict[str, str]) -> None:
    """Whatever a sample or run is called, Batch takes the tag."""
    for value in fill(ALL, values).values():
        assert len(value) <= 256
        assert not set(value) & set("{}#'\"$%&*()[]!?<>|\\~^`,;")


def test_a_tag_without_a_value_is_left_out() -> None:
    """A run without a sample is not counted as one whose name is empty."""
    assert fill({"sample": "{sample}", "run": "{run}"}, {"run": "r"}) == {"run": "r"}


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"k": "{owner"}, "braces in k"),
        ({"k": "{}"}, r"has \{\} in k"),
        ({"k": "{run.x}"}, r"none of \{run\}"),
        ({"aws:k": "v"}, "aws:"),
        ({"": "v"}, "1 to 128"),
        ({"a{b": "v"}, "letters, digits"),
        ({"AWS_BATCH_PARENT_JOB_ID": "v"}, "by which a run's jobs are found"),
        ({str(number): "v" for number in range(50)}, "at most 49"),
    ],
)
def test_what_no_job_can_have_is_refused(tags: dict[str, str], message: str) -> None:
    """Mistakes are found at the start of a run."""
    with pytest.raises(ValueError, match=message):
        check_tags(tags)


@pytest.mark.parametrize(
    ("run_ids", "run_dir", "call", "run"),
    [
        (["wf", "call-align"], "/r/2026_wf/call-align", "wf.align", "2026_wf"),
        (["wf", "call-sub-1", "call-align-0-2"], "/r/x/call-sub-1/call-align-0-2",
         "wf.sub.align", "x"),
        (["align"], "/r/2026_align", "align", "2026_align"),
        (["download-aria2c"], "/r/x/download/0", "download", "x"),
        (["download-aria2c"], "/r/x/call-sub/call-align/download/0", "download", "x"),
    ],
)  # fmt: skip
def test_a_call_is_named_with_those_around_it(
    run_ids: list[str], run_dir: str, call: str, run: str
) -> None:
    """Scatter numbers are no part of the name; the run is the outermost directory."""
    found = identify("t", run_ids, Path(run_dir), {})
    assert (found.task, found.call, found.workflow, found.run) == (
        "t",
        call,
        run_ids[0].partition("-")[0],
        run,
    )


def test_the_sample_is_an_input() -> None:
    """The first of the usual names that has a value."""
    inputs = {"sample_name": "b", "sample_id": "a", "sample": ""}
    assert identify("t", ["t"], Path("/r"), inputs).sample == "a"
    assert identify("t", ["t"], Path("/r"), {}).sample == ""


def test_the_sample_may_be_that_of_the_run(tmp_path: Path) -> None:
    """Where the task has none, the run's own inputs are looked at."""
    (tmp_path / "inputs.json").write_text('{"wf.reads": ["x"], "wf.sample_id": "S9"}')
    call = tmp_path / "call-align"
    assert identify("t", ["wf", "call-align"], call, {}).sample_of_run == "S9"
    assert identify("t", ["wf", "call-align"], call, {"sample": "a"}).sample_of_run == "a"
    assert identify("t", ["t"], tmp_path / "none", {}).sample_of_run == ""


def test_the_plugin_tells_names_while_a_task_runs() -> None:
    """It changes nothing, and what it remembers is gone with the task; a file is no sample."""
    inputs = WDL.values_from_json(
        {"sample": "x.bam", "sample_id": "S1"},
        WDL.parse_document(
            "version 1.0\ntask t { input { File sample String sample_id } command {} }"
        )
        .tasks[0]
        .available_inputs,
    )
    given = {"inputs": inputs}
    task = WDL.parse_document("version 1.0\ntask align { command {} }").tasks[0]
    plugin = task_plugin(None, None, ["wf", "call-a-1"], "/r/x/call-a-1", task, **given)
    assert next(plugin) == given
    found = TASKS.find("/r/x/call-a-1", "call-a-1")
    assert (found.task, found.call, found.run, found.sample) == ("align", "wf.a", "x", "S1")
    assert plugin.send({"command": "c"}) == {"command": "c"}
    plugin.close()
    assert TASKS.find("/r/x/call-a-1", "call-a-1").task == "a"


def test_a_task_that_no_plugin_saw_is_named_by_its_call() -> None:
    """Where task plugins are switched off, names come from the run id."""
    found = TASKS.find("/r/x/call-align-3", "call-align-3")
    assert (found.task, found.call) == ("align", "align")
