"""Tests of `miniwdl_aws.errors`."""

import doctest
import pickle

import pytest

from miniwdl_aws import errors


def examples() -> list[errors.MiniwdlAwsError]:
    aws_errors: list[type[errors.AwsError]] = [errors.AwsError, *errors.AwsError.__subclasses__()]
    failure = errors.JobFailure(job_id="j-1", call="call-align-3", call_exit_code=7)
    return [
        errors.ConfigurationError("fsap", "is wrong", remedy="Mend it.", value="x", source="here"),
        errors.InvalidInputError("no such input"),
        *(
            aws_error("SubmitJob", "Code", "detail", resource="r", request_id="q")
            for aws_error in aws_errors
        ),
        *(job_error("it failed", failure) for job_error in errors.JOB_ERRORS.values()),
        errors.StagingError("s3://b/k", "is gone", remedy="Look.", category="missing"),
        errors.PublicationError("not there", failed=("a", "b")),
        errors.CleanupRefusedError("not ours"),
    ]


def test_the_examples_hold() -> None:
    """The docstrings' examples are what the functions give."""
    assert doctest.testmod(errors).failed == 0


@pytest.mark.parametrize("error", examples(), ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_with_its_data(error: errors.MiniwdlAwsError) -> None:
    """Triggers and process pools send errors around; nothing of them may get lost."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  (what this test pickled itself)
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_the_examples_cover_the_whole_tree() -> None:
    """A class that is added to the tree is added to the examples."""

    def below(cls: type[errors.MiniwdlAwsError]) -> set[type]:
        own = [each for each in cls.__subclasses__() if each.__module__ == errors.__name__]
        return {cls}.union(*(below(each) for each in own))

    abstract = {errors.MiniwdlAwsError, errors.JobError}
    assert {type(error) for error in examples()} == below(errors.MiniwdlAwsError) - abstract


def test_the_docstring_draws_every_class() -> None:
    """The tree at the top of the module is the tree of the code."""
    for error in examples():
        assert type(error).__name__ in (errors.__doc__ or "")


def test_a_configuration_error_names_field_value_source_and_remedy() -> None:
    """One message says what is wrong, where it came from and what to set instead."""
    error = errors.ConfigurationError(
        "fsap", "does not exist", remedy="Name another.", value="fsap-1", source="argument fsap"
    )
    assert str(error) == "fsap 'fsap-1' (from argument fsap) does not exist. Name another."


def test_a_job_error_shows_call_exit_code_stderr_and_log() -> None:
    """What a person needs first stands in the message itself."""
    failure = errors.JobFailure(
        job_id="j-1",
        call="call-align-3",
        call_exit_code=7,
        call_stderr=("no such file",),
        log_url="https://logs",
    )
    text = str(errors.CommandFailedError("A command failed", failure))
    for part in ("call-align-3", "exit code: 7", "    no such file", "https://logs", "j-1"):
        assert part in text
