"""`.ci/run` runs every step, ends with pytest's closing line, and its exit code is true."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

CLOSING = "=================== 12 passed, 1 skipped in 65.21s (0:01:05) ==================="

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_ci(tmp_path: Path) -> Run:
    """Runs the script in a checkout whose `make` fails at the targets named."""
    checkout, programs = tmp_path / "checkout", tmp_path / "bin"
    (checkout / ".ci").mkdir(parents=True)
    (checkout / "benchmarks").mkdir()
    (checkout / "benchmarks" / "__main__.py").touch()
    programs.mkdir()
    shutil.copy(ROOT / ".ci" / "run", checkout / ".ci" / "run")

    def run(*failing: str, image: bool = True) -> subprocess.CompletedProcess[str]:
        (programs / "podman").write_text(f"#!/bin/sh\nexit {0 if image else 1}\n")
        (programs / "podman").chmod(0o755)
        lines = [
            "#!/bin/sh",
            'echo "make $*"',
            f'case "$*" in *test*) echo "{CLOSING}"; echo TOTAL 90% ;; esac',
            *(f'case "$*" in *{target}*) exit 2 ;; esac' for target in failing),
        ]
        (programs / "make").write_text("\n".join(lines) + "\n")
        (programs / "make").chmod(0o755)
        return subprocess.run(
            ["bash", ".ci/run"],
            cwd=checkout,
            env={"PATH": f"{programs}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_it_passes_when_every_step_passes(run_ci: Run) -> None:
    """Check, test and a small benchmark, in this order."""
    done = run_ci()
    assert done.returncode == 0
    calls = [line.split()[2:] for line in done.stdout.splitlines() if line.startswith("make ")]
    assert calls[-3:] == [["check"], ["test"], ["bench", "N=100"]]
    assert done.stdout.splitlines()[-1] == CLOSING


def test_the_image_is_measured_where_its_base_is(run_ci: Run) -> None:
    """Without a container engine the other benchmarks run all the same."""
    (bench,) = [line for line in run_ci(image=False).stdout.splitlines() if "bench N=100 " in line]
    assert bench.endswith("BENCH=scatter series crowd linking local")


@pytest.mark.parametrize("step", ["check", "test", "bench"])
def test_it_fails_when_one_step_fails_but_runs_the_others(run_ci: Run, step: str) -> None:
    """One run shows all that is wrong."""
    done = run_ci(step)
    assert done.returncode == 1
    assert all(f"=== make {name}" in done.stdout for name in ("check", "test", "bench"))
    assert f"=== failed: make {step}" in done.stdout
    assert done.stdout.splitlines()[-1] == CLOSING
