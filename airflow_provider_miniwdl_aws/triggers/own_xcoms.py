"""What a trigger writes down for its task's page and for the process that goes on after it."""

import logging
from typing import Any

from airflow.sdk.execution_time.xcom import XCom

LOG_CURSOR = "_log_cursor"
"""Milliseconds since the epoch of the last log line that was copied and noted."""

_log = logging.getLogger(__name__)


class OwnXComs:
    """The XComs of the task that a trigger waits for.

    Where they cannot be had (before Airflow 3.2, which gives triggers no way to them; in tests),
    nothing is stored and nothing is found: a run does not fail of it.

    Args:
        task_instance: the task instance, as the triggerer tells it; None for none.
    """

    def __init__(self, task_instance: Any) -> None:
        self._ti: Any = task_instance if hasattr(XCom, "aset") else None

    async def store(self, key: str, value: Any) -> None:
        """Write an XCom."""
        if self._ti is None:
            return
        try:
            await XCom.aset(key=key, value=value, **self._where())
        except Exception as exc:  # noqa: BLE001  (nothing that is stored here is worth a run)
            _log.warning("the XCom %s was not stored: %s", key, exc)

    async def find(self, key: str) -> Any:
        """Read an XCom of this attempt; None if there is none."""
        if self._ti is None:
            return None
        try:
            return await XCom.aget_one(key=key, **self._where())
        except Exception as exc:  # noqa: BLE001  (as above)
            _log.warning("the XCom %s was not read: %s", key, exc)
            return None

    def _where(self) -> dict[str, Any]:
        ti = self._ti
        return {
            "dag_id": ti.dag_id,
            "task_id": ti.task_id,
            "run_id": ti.run_id,
            "map_index": ti.map_index,
        }
