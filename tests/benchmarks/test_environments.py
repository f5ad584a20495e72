"""The environments of the two backends."""

from benchmarks.environments import OURS, REFERENCE, REFERENCE_VERSION


def test_ours_is_the_checkout_with_what_the_workflow_image_installs() -> None:
    """An edit is measured at once, and nothing of the development is there."""
    assert OURS.pins.name == "runner.txt"
    assert OURS.project is not None
    assert (OURS.project / "miniwdl_aws" / "__init__.py").is_file()


def test_the_version_that_is_named_is_the_one_that_is_installed() -> None:
    """The results say what ours was compared with."""
    assert f"\nminiwdl-aws=={REFERENCE_VERSION} " in REFERENCE.pins.read_text()
