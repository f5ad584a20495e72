"""Long lists, in pages."""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from miniwdl_aws.local.errors import BatchError

PAGE = 100
"""How many entries a page has at most, unless its operation says otherwise."""

_OPEN_LISTS = 1000


class Pages:
    """Hands out long lists in pages.

    A page's token stands for what was left of the list when its first page was given, so pages are
    consistent and cost nothing to continue. The lists that were left longest ago are forgotten.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[str, list[Any]] = OrderedDict()

    def page(
        self, make: Callable[[], list[Any]], token: str | None, size: int
    ) -> tuple[list[Any], str | None]:
        """Return the next entries, and the token of those after them.

        Args:
            make: makes the whole list; called without a token only.
            token: what an earlier call returned.
            size: how many entries at most.
        """
        if token is None:
            entries = make()
        elif token in self._open:
            entries = self._open[token]
        else:
            raise BatchError(f"Invalid nextToken: {token!r}")
        if len(entries) <= size:
            return entries, None
        following = secrets.token_urlsafe(24)
        self._open[following] = entries[size:]
        if len(self._open) > _OPEN_LISTS:
            self._open.popitem(last=False)
        return entries[:size], following


def page_size(request: Mapping[str, Any], most: int) -> int:
    """Return how many entries a request asks for at most.

    Raises:
        BatchError: it is none, or more than ``most``.
    """
    size = request.get("maxResults") or most
    if not 1 <= size <= most:
        raise BatchError(f"maxResults must be from 1 to {most}, got {size}")
    return int(size)


def answer(key: str, entries: list[Any], token: str | None) -> dict[str, Any]:
    """Return an answer that is one page of a list, ``token`` being what the next begins with."""
    return {key: entries, **({"nextToken": token} if token else {})}
