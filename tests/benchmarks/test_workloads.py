"""The workflows are what they say."""

from pathlib import Path

import pytest
import WDL

from benchmarks.settings import BenchmarkSettings
from benchmarks.workloads import Workload, scatter, series


def load(workload: Workload, folder: Path) -> WDL.Tree.Workflow:
    source = folder / "workflow.wdl"
    source.write_text(workload.wdl)
    workflow = WDL.load(str(source)).workflow
    assert workflow is not None
    return workflow


def test_the_scatter_is_as_wide_as_asked_for(tmp_path: Path) -> None:
    """One task a member, all at once, and outputs in order."""
    workload = scatter(BenchmarkSettings(directory=tmp_path, n=7, task_seconds=2))
    workflow = load(workload, tmp_path)
    assert [type(node).__name__ for node in workflow.body] == ["Scatter"]
    assert workload.arguments() == ["first=0", "n=7", "seconds=2"]
    assert (workload.task_count, workload.job_seconds(3.0)) == (7, 5.0)
    assert workload.expected == {f"{workflow.name}.finished": [0, 1, 2, 3, 4, 5, 6]}


def test_tasks_in_series_wait_for_one_another(tmp_path: Path) -> None:
    """Each but the first needs an output of the one before."""
    workload = series(BenchmarkSettings(directory=tmp_path, series_length=3, series_seconds=45))
    calls = load(workload, tmp_path).body
    needed = [call.workflow_node_dependencies - {"decl-seconds"} for call in calls]
    assert needed == [{"decl-first"}, {"call-rest0"}, {"call-rest1"}]
    assert (workload.task_count, workload.job_seconds(3.0)) == (3, 144.0)


def test_workflows_with_other_numbers_have_no_call_in_common(tmp_path: Path) -> None:
    """The outputs differ as the inputs do."""
    settings = BenchmarkSettings(directory=tmp_path, n=2, series_length=2)
    assert scatter(settings, first=2).expected == {"scatter_rest.finished": [2, 3]}
    assert series(settings, first=2).expected == {"series_rest.finished": 3}
    assert series(settings, first=2).arguments()[0] == "first=2"


@pytest.mark.parametrize("given", [{"n": 0}, {"rate": 0.5}, {"task_seconds": -1}])
def test_settings_that_make_no_sense_are_refused(given: dict[str, int]) -> None:
    """The message names the setting and its value."""
    ((name, value),) = given.items()
    with pytest.raises(ValueError, match=rf"{name} must .*{value}"):
        BenchmarkSettings(directory=Path(), **given)  # type: ignore[arg-type]
