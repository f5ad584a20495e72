"""What a backend can break of miniwdl's own behaviour, on a Batch that runs jobs as processes.

`test_real_jobs` has what the local AWS can show.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from WDL.runtime.error import RunFailed


def test_written_files_and_globs(open_backend: Any, run_wdl: Any, tmp_path: Path) -> None:
    """write_lines of inputs gives paths that the command can open; glob finds what it made."""
    open_backend()
    letters = []
    for number in range(2):
        folder = tmp_path / f"in{number}"
        folder.mkdir()
        letters.append(folder / "same.txt")
        letters[-1].write_text(f"letter {number}")
    wdl = """
version 1.1
task t {
  input { Array[File] letters }
  command <<<
    n=0
    while read -r path; do
      n=$((n + 1)); cat "$path" > "out $n.txt"
    done < "~{write_lines(letters)}"
  >>>
  output { Array[File] made = glob("out *.txt") }
}
"""
    _, outputs = run_wdl(wdl, {"letters": [str(each) for each in letters]})
    assert [Path(each).read_text() for each in outputs["made"]] == ["letter 0", "letter 1"]


def test_copies_are_made_for_each_attempt(open_backend: Any, run_wdl: Any, tmp_path: Path) -> None:
    """A retry gets fresh copies of inputs that the first attempt destroyed."""
    open_backend()
    letter = tmp_path / "letter.txt"
    letter.write_text("hello")
    wdl = """
version 1.1
task t {
  input { File letter }
  command <<<
    rm "~{letter}" || exit 3
    if [ ! -e ../tried ]; then touch ../tried; exit 4; fi
    echo gone
  >>>
  output { String said = read_string(stdout()) }
  runtime { maxRetries: 1 }
}
"""
    _, outputs = run_wdl(wdl, {"letter": str(letter)}, file_io__copy_input_files=True)
    assert outputs["said"] == "gone"
    assert letter.read_text() == "hello"


def test_privilege_and_user_shape_the_definition(
    batch: Any, open_backend: Any, run_wdl: Any
) -> None:
    """Both are part of the job definition, and privilege only where it is allowed."""
    open_backend(user=f"{os.geteuid()}:{os.getegid()}")
    wdl = "version 1.1\ntask t { command <<< true >>> output {} runtime { privileged: true } }\n"
    run_dir, _ = run_wdl(wdl)
    run_dir.rename(run_dir.with_name("first"))
    run_wdl(wdl, task_runtime__allow_privileged=True)
    properties = [each["containerProperties"] for each in batch.definitions.values()]
    assert [each.get("privileged", False) for each in properties] == [False, True]
    assert {each["user"] for each in properties} == {f"{os.geteuid()}:{os.getegid()}"}


def test_outputs_outside_the_work_directory_are_refused(open_backend: Any, run_wdl: Any) -> None:
    """Miniwdl's guard against escaping outputs holds on a shared file system too."""
    open_backend()
    wdl = """
version 1.1
task t { command <<< true >>> output { File f = "/etc/passwd" } }
"""
    with pytest.raises(RunFailed):
        run_wdl(wdl)


def test_an_empty_command_submits_nothing(batch: Any, open_backend: Any, run_wdl: Any) -> None:
    """Miniwdl runs no container for it."""
    open_backend()
    run_wdl("version 1.1\ntask t { command <<< >>> output { Int n = 1 } }\n")
    assert not batch.jobs
