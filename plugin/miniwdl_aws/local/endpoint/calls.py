"""What every operation takes and gives."""

from collections.abc import Callable, Mapping
from typing import Any

Request = Mapping[str, Any]
Answer = dict[str, Any] | bytes
"""An answer's members, or its JSON."""

Operations = dict[str, Callable[[Request], Answer]]
"""Functions by the names of operations in botocore's service model."""
