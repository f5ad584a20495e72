"""What can go wrong with a benchmark, as opposed to a figure that is worse than hoped for."""


class BenchmarkError(Exception):
    """A run could not be made, or it failed: there is nothing to judge. The message says why."""
