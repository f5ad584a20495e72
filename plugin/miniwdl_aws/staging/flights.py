"""One thread does what several ask for at once."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

_Result = TypeVar("_Result")


class Flights(Generic[_Result]):
    """What is under way, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[_Result]] = {}

    def do(self, key: str, work: Callable[[], _Result]) -> _Result:
        """Do something, or wait for the thread that does the same.

        Args:
            key: what it is.
            work: does it.

        Returns:
            Its result; what it raises is raised in every thread.
        """
        with self._lock:
            future = self._under_way.get(key)
            own = future is None
            if future is None:
                future = self._under_way[key] = Future()
        if own:
            self._fly(key, future, work)
        return future.result()

    def _fly(self, key: str, future: "Future[_Result]", work: Callable[[], _Result]) -> None:
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001  (whoever waits must hear of it)
            future.set_exception(exc)
        else:
            future.set_result(result)
        finally:
            with self._lock:
                del self._under_way[key]
