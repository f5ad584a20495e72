"""Batch as it is kept and moved on: jobs, definitions, queues, and its limits."""
