"""Tests of `miniwdl_aws.fargate`."""

import pytest
from hypothesis import given, strategies as st

from miniwdl_aws.errors import ConfigurationError
from miniwdl_aws.fargate import MEMORY_MIB, refuse_impossible_size, smallest_fit


@pytest.mark.parametrize(
    ("cpu", "gib"), [(cpu, mib / 1024) for cpu, sizes in MEMORY_MIB.items() for mib in sizes]
)
def test_every_documented_pair_is_accepted(cpu: float, gib: float) -> None:
    """What Fargate has is not refused."""
    refuse_impossible_size(cpu, gib)


@pytest.mark.parametrize(("cpu", "gib"), [(1, 1), (1, 9), (8, 17), (0.25, 3)])
def test_other_memory_is_refused_with_the_nearest_size(cpu: float, gib: float) -> None:
    """The message says what would do."""
    with pytest.raises(ConfigurationError, match="The nearest size is"):
        refuse_impossible_size(cpu, gib)


def test_other_cpu_counts_are_refused_with_those_there_are() -> None:
    """The message lists all."""
    with pytest.raises(ConfigurationError, match=r"Use one of 0\.25, 0\.5, 1, 2, 4, 8, 16, 32"):
        refuse_impossible_size(3, 8)


@given(vcpus=st.floats(0.1, 40), memory_mib=st.integers(1, 300_000))
def test_a_request_is_rounded_up_to_the_smallest_size_there_is(
    vcpus: float, memory_mib: int
) -> None:
    """What is given is enough, exists, and nothing smaller would do."""
    pairs = [(cpu, mib) for cpu, sizes in MEMORY_MIB.items() for mib in sizes]
    enough = [(cpu, mib) for cpu, mib in pairs if cpu >= vcpus and mib >= memory_mib]
    assert smallest_fit(vcpus, memory_mib) == min(enough, default=None)
