"""The statuses of jobs, and which follows which."""

ENDED = frozenset({"SUCCEEDED", "FAILED"})
STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")

TRANSITIONS: dict[str, frozenset[str]] = {
    "SUBMITTED": frozenset({"PENDING", "FAILED"}),
    "PENDING": frozenset({"RUNNABLE", "FAILED"}),
    "RUNNABLE": frozenset({"STARTING", "FAILED"}),
    "STARTING": frozenset({"RUNNING", "RUNNABLE", "FAILED"}),
    "RUNNING": frozenset({"SUCCEEDED", "RUNNABLE", "FAILED"}),
    "SUCCEEDED": frozenset(),
    "FAILED": frozenset(),
}
"""From each status to the next; back to RUNNABLE for another attempt only (AWS Batch user guide,
"Job states")."""

ARRAY_TRANSITIONS: dict[str, frozenset[str]] = {
    "SUBMITTED": frozenset({"PENDING"}),
    "PENDING": ENDED,
    "SUCCEEDED": frozenset(),
    "FAILED": frozenset(),
}
"""The same for the parent of an array (AWS Batch user guide, "Array jobs")."""
