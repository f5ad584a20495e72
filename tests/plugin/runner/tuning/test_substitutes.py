"""Tests of `miniwdl_aws.runner.tuning.substitutes`."""

import importlib
import subprocess
import sys

import pytest

from miniwdl_aws.runner.tuning import substitutes


def test_the_installed_miniwdl_is_known() -> None:
    """The version that is pinned was compared, and all signatures are those that were seen."""
    code = (
        "from miniwdl_aws.runner.tuning.substitutes import SUBSTITUTES, tune\n"
        "assert len(tune()) == len(SUBSTITUTES), tune()\n"
        "import WDL.runtime.task as task, WDL.runtime.workflow as workflow\n"
        "from miniwdl_aws.runner.tuning import linking\n"
        "assert task.link_outputs is workflow.link_outputs is linking.link_outputs\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_message_is_written_once() -> None:
    """However many logs it goes to, it says the same."""
    code = (
        "import logging\n"
        "from miniwdl_aws.runner.tuning.substitutes import tune\n"
        "tune()\n"
        "from WDL._util import StructuredLogMessage as Message\n"
        "message = Message('a', b=[1], c='d')\n"
        "assert str(message) == 'a :: b: [1], c: \"d\"' == message.__str__.__wrapped__(message)\n"
        "assert str(message) is str(message)\n"
        "assert str(Message('a', b=2)) == 'a :: b: 2'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_only_the_chosen_backend_is_loaded() -> None:
    """The others need libraries that take memory and time; all other plugins load as before."""
    code = (
        "import logging, sys\n"
        "from WDL.runtime import config\n"
        "from miniwdl_aws.runner.tuning.substitutes import tune\n"
        "own = config.load_plugins\n"
        "tune()\n"
        "cfg = config.Loader(logging.getLogger('test'))\n"
        "cfg.override({'scheduler': {'container_backend': 'aws_batch_job'}})\n"
        "((name, backend),) = config.load_plugins(cfg, 'container_backend')\n"
        "assert (name, backend.__module__) == ('aws_batch_job', 'miniwdl_aws.backend.container')\n"
        "assert 'docker' not in sys.modules\n"
        "for group in ('task', 'file_download', 'cache_backend'):\n"
        "    assert list(config.load_plugins(cfg, group)) == list(own(cfg, group)) != []\n"
        "cfg.override({'scheduler': {'container_backend': 'podman'}})\n"
        "assert [name for name, _ in config.load_plugins(cfg, 'container_backend')] == ['podman']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_another_version_is_left_alone() -> None:
    """What was not compared is not replaced."""
    task = importlib.import_module("WDL.runtime.task")
    before = task.link_outputs
    assert substitutes.tune("2.0.0") == []
    assert task.link_outputs is before


def test_another_signature_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that has changed within a version is not replaced either."""
    each = substitutes.SUBSTITUTES[0]
    module = importlib.import_module(each.module)
    monkeypatch.setattr(module, each.name, lambda cache: None)
    assert not substitutes._substitute(each)
    monkeypatch.delattr(module, each.name)
    assert not substitutes._substitute(each)
