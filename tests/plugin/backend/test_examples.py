"""The examples in docstrings of the backend."""

import doctest
import importlib
import pkgutil

import pytest

from miniwdl_aws import backend

MODULES = [f"{backend.__name__}.{found.name}" for found in pkgutil.iter_modules(backend.__path__)]


@pytest.mark.parametrize("name", [*MODULES, "miniwdl_aws.fargate"])
def test_examples_are_right(name: str) -> None:
    """What a docstring shows is what the code gives."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0
