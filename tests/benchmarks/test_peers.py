"""How the two backends are started."""

from pathlib import Path

from benchmarks.peers import ours, reference


def test_a_peer_finds_its_own_programs_first() -> None:
    """Both backends have programs of the same names."""
    peer = reference(Path("/reference/bin"), "0.12.2")
    assert peer.runner == "/reference/bin/miniwdl-run-s3upload"
    assert peer.variables()["PATH"].startswith("/reference/bin:/usr/local/sbin:")


def test_only_the_tuned_reference_departs_from_what_it_is_shipped_with() -> None:
    """More threads and a shorter pause, nothing else."""
    shipped = reference(Path("bin"), "0.12.2").variables()
    tuned = reference(Path("bin"), "0.12.2", tuned=True).variables()
    changed = {name for name in tuned if tuned[name] != shipped.get(name)}
    assert changed == {"MINIWDL__SCHEDULER__TASK_CONCURRENCY", "MINIWDL__AWS__SUBMIT_PERIOD"}


def test_ours_runs_with_the_configuration_that_it_is_shipped_with() -> None:
    """No variable makes it faster than it is for a user."""
    assert set(ours(Path("bin")).variables()) == {"PATH"}
