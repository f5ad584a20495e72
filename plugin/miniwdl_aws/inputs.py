"""Files of inputs: read wherever they are, and laid over each other."""

import datetime as dt
import difflib
import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from miniwdl_aws.errors import InvalidInputError

ReadObject = Callable[[str], bytes]
"""Gives the content of an ``s3://`` URI; raises `AwsError`."""

REMOTE_SECONDS = 20.0
"""How long a web server may take to answer."""

WEB = ("http://", "https://")

SAMPLE_NAMES = ("sample", "sample_id", "sample_name")
"""Inputs that name the sample of a run, the first that is there; the backend knows the same."""

_GONE = (404, 410)

_log = logging.getLogger(__name__)


def read_inputs(given: str, read_object: ReadObject) -> dict[str, Any]:
    """Read JSON or YAML inputs: a file, an ``s3://`` URI, a web address, ``-``, or the text itself.

    Raises:
        InvalidInputError: they cannot be read, or are no object of names and values; the message
            has file, line and column.
        OSError: a web server did not answer.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415  (with miniwdl; only when a run is prepared)
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415  (as above)

    text = _text(given, read_object)
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as exc:
        raise InvalidInputError(
            f"the inputs {given!r} are no JSON or YAML: {_place(text, exc)}"
        ) from exc
    if not isinstance(content, dict):
        raise InvalidInputError(f"the inputs {given!r} must be an object of names and values")
    return content


def lay_over(layers: Iterable[Mapping[str, Any]], namespace: str = "") -> dict[str, Any]:
    """Lay inputs over each other; the last layer that names an input decides.

    Args:
        layers: names and values, the most general first.
        namespace: the workflow's name: ``workflow.input`` and ``input`` are the same input.

    >>> lay_over([{"w.x": 1, "y": 2}, {"x": 3}], "w")
    {'y': 2, 'x': 3}
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            plain = name.removeprefix(f"{namespace}.") if namespace else name
            for spelling in (plain, f"{namespace}.{plain}"):
                merged.pop(spelling, None)
            merged[name] = value
    return merged


def as_json(inputs: Mapping[str, Any]) -> bytes:
    """Write inputs; equal ones give equal bytes."""
    return json.dumps(inputs, indent=1, sort_keys=True, default=_date).encode()


def sample_of(inputs: Mapping[str, Any]) -> str:
    """Tell what the inputs call the sample; empty if they do not.

    >>> sample_of({"w.sample_name": "S1"})
    'S1'
    """
    for wanted in SAMPLE_NAMES:
        for name, value in inputs.items():
            if name.rsplit(".", 1)[-1].lower() == wanted and isinstance(value, str):
                return value
    return ""


def read_web(uri: str) -> bytes:
    """Read what a web address names.

    Raises:
        InvalidInputError: the server says that there is nothing.
        OSError: it cannot be had from here.
    """
    import urllib.error  # noqa: PLC0415  (seldom needed, and 5 MiB of a runner that waits for hours)
    import urllib.request  # noqa: PLC0415  (as above)

    try:
        with urllib.request.urlopen(uri, timeout=REMOTE_SECONDS) as answer:  # noqa: S310  (http and https, by the callers)
            return bytes(answer.read())
    except urllib.error.HTTPError as exc:
        exc.close()
        if exc.code in _GONE:
            raise InvalidInputError(f"{uri} does not exist: {exc}") from exc
        raise


def read_text(path: str, what: str) -> str:
    """Read a file of this machine.

    Raises:
        InvalidInputError: it cannot be read; the message says why, and what may have been meant.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise InvalidInputError(f"{what} {path!r} does not exist.{nearest_file(path)}") from exc
    except UnicodeDecodeError as exc:
        raise InvalidInputError(f"{what} {path!r} is no text in UTF-8: {exc}") from exc
    except OSError as exc:
        raise InvalidInputError(f"{what} {path!r} cannot be read: {exc.strerror}") from exc


def nearest_file(path: str) -> str:
    """Say which file was probably meant, in a sentence after a space; or nothing."""
    folder = Path(path).parent
    if not folder.is_dir():
        return f" The folder {folder} does not exist."
    close = difflib.get_close_matches(Path(path).name, [each.name for each in folder.iterdir()], 1)
    return f" Did you mean {folder / close[0]}?" if close else ""


def _text(given: str, read_object: ReadObject) -> str:
    if given.lstrip().startswith("{"):
        return given
    if given == "-":
        return sys.stdin.read()
    if given.startswith("s3://"):
        return read_object(given).decode()
    if given.startswith(WEB):
        return read_web(given).decode()
    return read_text(given, "the inputs file")


def _place(text: str, exc: Any) -> str:
    """Say what is wrong where: in JSON's words if it was meant to be JSON, else in YAML's."""
    if text.lstrip().startswith(("{", "[")):
        try:
            json.loads(text)
        except json.JSONDecodeError as wrong:
            return f"line {wrong.lineno}, column {wrong.colno}: {wrong.msg}"
    mark = getattr(exc, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{getattr(exc, 'problem', None) or exc}"


def _date(value: object) -> str:
    """Write a date that YAML has recognised as the text that it was."""
    if isinstance(value, dt.date):
        return value.isoformat()
    raise TypeError(f"{value!r} is no value of JSON")
