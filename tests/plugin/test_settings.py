"""Tests of `miniwdl_aws.settings`."""

import dataclasses
import doctest
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest

from miniwdl_aws import settings as module, tags as tags_module, variables as variables_module
from miniwdl_aws.contradictions import refuse_contradictions
from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.settings import (
    SETTINGS,
    Layer,
    SubmitSettings,
    arguments_layer,
    connection_layer,
    default_layer,
    environment_layer,
    merge,
    settle,
    tags_layer,
)
from miniwdl_aws.variables import BACKEND_KEYS, doubtful_variables, travelling_environment

LICENCE_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"

ENOUGH = {
    "workflow_queue": "wq",
    "task_queue": "tq",
    "fsap": "fsap-0a1b",
    "workflow_role": "arn:aws:iam::123456789012:role/r",
    "image": "repo/image:1",
}


def settled(arguments: Mapping[str, Any], *layers: Layer) -> SubmitSettings:
    given = merge([arguments_layer({**ENOUGH, **arguments}), *layers, default_layer()])
    settings = settle(given, fs="fs-1", environment={})
    refuse_contradictions(settings)
    return settings


def test_the_examples_hold() -> None:
    """The docstrings' examples are what the functions give."""
    for each in (module, tags_module, variables_module):
        assert doctest.testmod(each).failed == 0


def test_every_setting_is_a_field_of_the_settings() -> None:
    """The table and the dataclass agree, so that no setting is lost on the way."""
    known = {field.name for field in dataclasses.fields(SubmitSettings)}
    assert {setting.name for setting in SETTINGS} | {"fs", "environment", "sources"} == known


def test_places_take_precedence_in_the_documented_order() -> None:
    """Argument, environment, connection, tag of the workflow queue, default."""
    layers = [
        arguments_layer({"task_queue": "argument"}),
        environment_layer({"MINIWDL__AWS__TASK_QUEUE": "environment"}),
        connection_layer({"task_queue": "connection"}, "c"),
        tags_layer({"DefaultTaskQueue": "tag"}, "q"),
    ]
    order = [merge(layers[start:])["task_queue"].value for start in range(len(layers))]
    assert order == ["argument", "environment", "connection", "tag"]


@pytest.mark.parametrize("name", sorted(ENOUGH))
def test_a_missing_setting_is_named_with_every_place_to_set_it(name: str) -> None:
    """Whoever reads the message knows what to do in Airflow, in a shell and in AWS."""
    given = merge([arguments_layer({**ENOUGH, name: None}), default_layer()])
    with pytest.raises(ConfigurationError) as caught:
        settle(given, fs="fs-1", environment={})
    setting = next(each for each in SETTINGS if each.name == name)
    for place in (setting.flag, *setting.variables, setting.tag):
        assert place in str(caught.value)


def test_a_submission_without_an_image_says_how_to_get_one() -> None:
    """Nobody publishes an image; the message says to build and push one."""
    with pytest.raises(ConfigurationError, match="build the workflow image"):
        settled({"image": None})


@pytest.mark.parametrize("folder", ["/mnt/efs2/x", "/data", "/mnt/efs/../x", "/mnt"])
def test_a_run_directory_outside_the_mount_is_refused(folder: str) -> None:
    """A common beginning of two names is not a common folder."""
    with pytest.raises(ConfigurationError, match="is not below the mount point /mnt/efs"):
        settled({"dir": folder})


def test_the_run_directory_lies_below_whatever_mount_is_set() -> None:
    """With another mount, the default goes along."""
    assert settled({"mount": "/mnt/other/"}).dir == "/mnt/other/miniwdl_run"


def test_deleting_without_publishing_is_refused_wherever_both_come_from() -> None:
    """A run directory that is nowhere else is not deleted."""
    with pytest.raises(ConfigurationError, match="s3upload is not"):
        settled({"delete_after": "always"})
    upload = environment_layer({"MINIWDL__AWS__S3_UPLOAD_FOLDER": "s3://bucket/x"})
    assert settled({"delete_after": "always"}, upload).s3upload == "s3://bucket/x"


@pytest.mark.parametrize("name", ["DELETE_AFTER_S3_UPLOAD", "S3_UPLOAD_DELETE_AFTER"])
def test_both_spellings_of_delete_after_are_read(name: str) -> None:
    """The established program documents one and reads the other; both work here."""
    layer = environment_layer({f"MINIWDL__AWS__{name}": "Success"})
    assert layer["delete_after"].value == "success"


def test_contradicting_spellings_are_named() -> None:
    """Two values for one setting are a mistake, not a choice."""
    environ = {
        "MINIWDL__AWS__DELETE_AFTER_S3_UPLOAD": "always",
        "MINIWDL__AWS__S3_UPLOAD_DELETE_AFTER": "failure",
    }
    with pytest.raises(ConfigurationError, match="set twice, differently"):
        environment_layer(environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsap", "fs-123"),
        ("s3upload", "bucket/x"),
        ("s3upload", "s3:///x"),
        ("workflow_role", "role"),
        ("delete_after", "never"),
        ("job_timeout_seconds", "59"),
        ("cpu", "many"),
        ("mount", "/"),
        ("public_ip", "perhaps"),
        ("task_queue", 7),
        ("efs", "perhaps"),
        ("workflow_attempts", "11"),
        ("secrets", {"TOKEN": "the secret itself"}),
        ("secrets", {"A TOKEN": "arn:aws:ssm:us-east-1:123456789012:parameter/x"}),
        ("tags", {"aws:owner": "ada"}),
        ("tags", "sample"),
    ],
)
def test_a_wrong_value_is_named_with_its_source(name: str, value: object) -> None:
    """The message has the field, the value and where it stands."""
    with pytest.raises(ConfigurationError) as caught:
        connection_layer({name: value}, "my_conn")
    assert caught.value.field == name
    assert caught.value.value == value
    assert caught.value.source == "connection my_conn"


def test_variables_that_are_settings_do_not_travel_and_others_do() -> None:
    """The job gets the merged value of a setting, not the submitter's own."""
    environ = {
        "MINIWDL__AWS__TASK_QUEUE": "q",
        "MINIWDL__AWS__FS": "fs-1",
        "MINIWDL__SCHEDULER__TASK_CONCURRENCY": "7",
        "MINIWDL__AWS__DESCRIBE_PERIOD": "2",
        "HOME": "/root",
    }
    assert travelling_environment(environ) == {
        "MINIWDL__AWS__DESCRIBE_PERIOD": "2",
        "MINIWDL__SCHEDULER__TASK_CONCURRENCY": "7",
    }


def test_a_misspelled_variable_is_pointed_out() -> None:
    """A variable that nothing reads is a mistake that nobody else would notice."""
    sentences = doubtful_variables({"MINIWDL__AWS__TASKQUEUE": "q", "MINIWDL__AWS__FSAP": "f"})
    assert sentences == [
        (
            "environment variable MINIWDL__AWS__TASKQUEUE is not read by anything; did you mean "
            "MINIWDL__AWS__TASK_QUEUE?"
        )
    ]


def test_settings_with_many_keys_are_laid_over_each_other() -> None:
    """A team's tags stand in the connection, a run's in its arguments; the nearer place wins."""
    tags = settled(
        {"tags": ["sample=S1", "owner=ada"]},
        environment_layer({"MINIWDL__AWS__TAGS": "owner=lab, lab=virology"}),
        connection_layer({"tags": '{"project": "p = 1"}'}, "c"),
    ).tags
    assert tags == {"sample": "S1", "owner": "ada", "lab": "virology", "project": "p = 1"}


def test_another_file_system_needs_neither_access_point_nor_role() -> None:
    """Its hosts mount it, at /mnt/net unless told otherwise; the job takes the host's role."""
    given = {**dict.fromkeys(ENOUGH), "workflow_queue": "wq", "task_queue": "tq", "image": "i"}
    for layer in (
        arguments_layer({"efs": False}),
        environment_layer({"MINIWDL__AWS__FS": "0"}),
        connection_layer({"efs": "false"}, "c"),
    ):
        settings = settled(given, layer)
        assert (settings.efs, settings.mount, settings.dir) == (
            False, "/mnt/net", "/mnt/net/miniwdl_run"
        )  # fmt: skip
        assert settled({**given, "cpu": 3, "memory_gib": 5}, layer).memory_gib == 5


@pytest.mark.parametrize("changes", [{"fsap": "fsap-1"}, {"cpu": 0.5}])
def test_what_needs_efs_is_refused_without_it(changes: dict[str, Any]) -> None:
    """An access point, or a fraction of a CPU that only Fargate gives."""
    with pytest.raises(ConfigurationError) as caught:
        settled({"efs": False, "fsap": None, **changes})
    assert caught.value.field in changes


def test_a_variable_and_a_secret_of_one_name_are_refused() -> None:
    """Otherwise the plain value would decide, or not, without a word."""
    given = merge([
        arguments_layer({**ENOUGH, "secrets": {"MINIWDL__X__Y": LICENCE_ARN}}), default_layer()
    ])  # fmt: skip
    settings = settle(given, fs="fs-1", environment={"MINIWDL__X__Y": "z"})
    with pytest.raises(ConfigurationError, match="MINIWDL__X__Y"):
        refuse_contradictions(settings)


def test_all_keys_of_the_backend_are_known() -> None:
    """A key that is added to the packaged configuration is no misspelled variable."""
    text = (files("miniwdl_aws") / "miniwdl_aws.cfg").read_text().split("[aws]")[1]
    keys = set(re.findall(r"^(?:# )?([a-z_0-9]+) =", text, re.MULTILINE))
    assert keys - set(BACKEND_KEYS) - {setting.name for setting in SETTINGS} - {"fs"} == set()


def test_references_to_secrets_travel() -> None:
    """They name where a secret lies, and are none."""
    environ = {
        "MINIWDL__AWS__TASK_SECRETS": f'{{"DB_PASSWORD": "{LICENCE_ARN}"}}',
        "MINIWDL__AWS__CONTAINER_PROPERTIES": '{"secrets": [{"name": "X", "valueFrom": "arn:x"}]}',
    }
    assert travelling_environment(environ) == environ
    assert doubtful_variables(environ) == []


@pytest.mark.parametrize(
    "value",
    [
        "https://ada:pw@host/x",
        '{"MY_TOKEN": "abc"}',
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_a_value_that_speaks_of_a_secret_does_not_travel(value: str) -> None:
    """A password in a URL is a secret whatever its variable is called."""
    environ = {"MINIWDL__TASK_RUNTIME__ENV": value}
    assert travelling_environment(environ) == {}
    (sentence,) = doubtful_variables(environ)
    assert "--secret MINIWDL__TASK_RUNTIME__ENV=ARN" in sentence
    assert value not in sentence


def test_a_variable_that_speaks_of_a_secret_does_not_travel() -> None:
    """A job's variables are readable for everyone who may describe it."""
    environ = {"MINIWDL__MY_PLUGIN__API_TOKEN": "abc", "MINIWDL__MY_PLUGIN__URL": "x"}
    assert travelling_environment(environ) == {"MINIWDL__MY_PLUGIN__URL": "x"}
    (sentence,) = doubtful_variables(environ)
    assert "MINIWDL__MY_PLUGIN__API_TOKEN is not passed" in sentence
    assert "abc" not in sentence
