"""Tests of `miniwdl_aws.backend.usage`: whole scripts, under each shell, with made-up cgroups."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from miniwdl_aws.backend.files import AttemptFiles
from miniwdl_aws.backend.script import TaskScript, render
from miniwdl_aws.backend.sentinel import Ending, Mailbox, read_ending
from tools.engines import Engine

SHELLS = [
    pytest.param(
        shell, marks=pytest.mark.skipif(not shutil.which(shell[0]), reason=f"no {shell[0]}")
    )
    for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"])
]

V2 = {
    "cgroup.controllers": "cpu io memory",
    "cgroup.procs": "1\n7\n",
    "memory.current": "41943040\n",
    "memory.peak": "73400320\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n",
    "io.stat": "8:0 rbytes=100 wbytes=20 rios=3 wios=1\n8:16 rbytes=11 wbytes=2\n",
}
V1 = {
    "memory/cgroup.procs": "1\n",
    "memory/memory.usage_in_bytes": "41943040\n",
    "memory/memory.max_usage_in_bytes": "73400320\n",
    "cpuacct/cgroup.procs": "1\n",
    "cpuacct/cpuacct.usage": "2500000999\n",
    "blkio/cgroup.procs": "1\n",
    "blkio/blkio.throttle.io_service_bytes": (
        "8:0 Read 100\n8:0 Write 20\n8:0 Total 120\n8:16 Read 11\n8:16 Write 2\nTotal 133\n"
    ),
}
ALIVE = re.compile(
    r"task usage :: seconds: \d+, cpu_seconds: 2\.50, cpu_percent: 0, memory_bytes: 41943040, "
    r"memory_peak_bytes: 73400320, read_bytes: 111, written_bytes: 22\n"
)


def run(
    folder: Path, shell: list[str], tree: dict[str, str], command: str, period: float = 0
) -> tuple[Ending, str, str]:
    """Run a command; gives its end, the log's standard error and that of the command."""
    files = AttemptFiles(task_dir=folder / "a call's dir", attempt=1)
    files.work_dir.mkdir(parents=True)
    files.command.write_text(command)
    cgroup = folder / "the cgroup"
    cgroup.mkdir()
    for name, content in tree.items():
        (cgroup / name).parent.mkdir(exist_ok=True)
        (cgroup / name).write_text(content)
    script = TaskScript(
        files=files,
        mailbox=Mailbox(folder=folder, name="job"),
        usage_period_seconds=period,
        cgroup=cgroup,
    )
    files.script.write_text(render(script))
    done = subprocess.run(
        [shutil.which(shell[0]) or "", *shell[1:], str(files.script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "AWS_BATCH_JOB_ID": "job-1"},
    )
    ending = read_ending(files.exit)
    assert ending is not None, done.stderr
    assert ending.exit_code == done.returncode
    return ending, done.stderr, files.stderr.read_text()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("tree", [V1, V2], ids=["v1", "v2"])
def test_the_end_tells_what_the_container_used(
    tmp_path: Path, shell: list[str], tree: dict[str, str]
) -> None:
    """Peak of the memory and CPU time are in exit.json, and nothing more is in the log."""
    ending, log, _ = run(tmp_path, shell, tree, "exit 3")
    assert (ending.exit_code, ending.peak_memory_bytes) == (3, 73400320)
    assert ending.cpu_seconds == pytest.approx(2.5, abs=1e-5)
    assert log == ""


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("tree", [V1, V2], ids=["v1", "v2"])
def test_a_period_has_the_usage_logged_while_the_command_runs(
    tmp_path: Path, shell: list[str], tree: dict[str, str]
) -> None:
    """The job's log has lines of it, the command's own standard error has none."""
    command = "echo mine >&2; sleep 1.5; exit 5"
    ending, log, own = run(tmp_path, shell, tree, command, period=0.5)
    assert ending.exit_code == 5
    assert own == "mine\n"
    assert len(ALIVE.findall(log)) >= 1, log
    assert ALIVE.sub("", log) == "mine\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_without_a_cgroup_the_shells_own_count_is_told(tmp_path: Path, shell: list[str]) -> None:
    """Where there is no cgroup the command's CPU time is known, and its memory is not."""
    command = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
    ending, log, _ = run(tmp_path, shell, {}, command, period=0.5)
    assert ending.peak_memory_bytes is None
    assert ending.cpu_seconds is not None
    assert 0.05 < ending.cpu_seconds < 60
    assert log == "miniwdl-aws: task usage is not logged, the job has no cgroup of its own\n"


@pytest.mark.parametrize("processes", ["0\n", "1\n2\n3\n4\n5\n"], ids=["hidden", "many"])
@pytest.mark.parametrize("tree", [V1, V2], ids=["v1", "v2"])
def test_a_cgroup_of_others_tells_nothing_of_the_job(
    tmp_path: Path, tree: dict[str, str], processes: str
) -> None:
    """A cgroup that holds other processes is not taken for the job's own."""
    shared = {
        name: processes if name.endswith("cgroup.procs") else text for name, text in tree.items()
    }
    ending, _, _ = run(tmp_path, ["sh"], shared, "true")
    assert ending.peak_memory_bytes is None
    assert ending.cpu_seconds is not None
    assert ending.cpu_seconds < 1


@pytest.mark.parametrize(
    "tree",
    [
        {**V1, "memory/release_agent": ""},
        {name: text for name, text in V2.items() if not name.startswith("memory")},
    ],
    ids=["v1", "v2"],
)
def test_the_root_of_all_cgroups_tells_nothing_of_the_job(
    tmp_path: Path, tree: dict[str, str]
) -> None:
    """A job that sees the host's cgroups is not told what the host uses."""
    ending, _, _ = run(tmp_path, ["sh"], tree, "true")
    assert ending.peak_memory_bytes is None
    assert ending.cpu_seconds is not None
    assert ending.cpu_seconds < 1


@pytest.mark.parametrize("name", ["memory.peak", "cpu.stat"])
@pytest.mark.parametrize("content", [None, "", "max\n"], ids=["missing", "empty", "no number"])
def test_what_the_kernel_does_not_tell_is_left_out(
    tmp_path: Path, name: str, content: str | None
) -> None:
    """An older kernel has no memory.peak: exit.json stays JSON, and has what is known."""
    tree = {key: text for key, text in V2.items() if key != name}
    if content is not None:
        tree[name] = content
    ending, _, _ = run(tmp_path, ["sh"], tree, "true", period=30)
    assert (ending.peak_memory_bytes is None) == (name == "memory.peak")
    assert (ending.cpu_seconds is None) == (name == "cpu.stat")


def test_a_real_container_knows_its_own_usage(
    engine: Engine, busybox_image: str, tmp_path: Path
) -> None:
    """Under Podman or Docker the figures are the container's, and the log tells them too."""
    files = AttemptFiles(task_dir=tmp_path / "call", attempt=1)
    files.work_dir.mkdir(parents=True)
    files.command.write_text(
        "head -c 40000000 /dev/zero | tail -c 40000000 | wc -c; "
        "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; sleep 2"
    )
    mailbox = Mailbox(folder=tmp_path, name="job")
    script = TaskScript(files=files, mailbox=mailbox, shell="/bin/sh", usage_period_seconds=1)  # noqa: S604  (a field)
    files.script.write_text(render(script))
    folder = f"{tmp_path}:{tmp_path}"
    done = engine.call("run", "--rm", "-v", folder, busybox_image, "sh", str(files.script))
    ending = read_ending(files.exit)
    assert ending is not None
    assert ending.cpu_seconds is not None
    assert 0.1 < ending.cpu_seconds < 60
    if ending.peak_memory_bytes is None:
        pytest.skip(f"{engine.program} gives containers no cgroup with a memory peak here")
    assert 40_000_000 < ending.peak_memory_bytes < 400_000_000
    assert "task usage :: seconds: 1, cpu_seconds: " in done.stderr
