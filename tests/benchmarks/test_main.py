"""The command line."""

import pytest

from benchmarks.__main__ import main


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names those that there are; nothing is installed or run."""
    with pytest.raises(SystemExit) as raised:
        main(["scater"])
    assert raised.value.code == 2
    assert (
        "no benchmark is named 'scater': there are scatter, series, crowd, linking, image, local"
        in capsys.readouterr().err
    )


def test_a_size_that_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code tells of it before anything runs."""
    assert main(["--n", "0"]) == 1
    assert capsys.readouterr().err == "benchmarks: n must be at least 1, not 0\n"
