"""The benchmarks of ``make bench``: this system beside the reference backend, in one run."""
