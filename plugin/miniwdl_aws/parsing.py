"""Readers of single values, which complain with the rule that a value breaks.

Each takes text and raises ValueError with a clause such as "must be a number".
"""

import json
import re
from collections.abc import Callable


def matching(pattern: str, rule: str) -> Callable[[str], str]:
    """Make a parser of text that matches a pattern as a whole; the rule is its complaint."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text.strip()):
            raise ValueError(rule)
        return text.strip()

    return parse


def boolean(text: str) -> bool:
    """Read true or false, as configuration files and shells write them."""
    words = {"true": True, "1": True, "yes": True, "t": True, "y": True}
    words.update({"false": False, "0": False, "no": False, "f": False, "n": False})
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    """Make a parser of one of some words, in any case."""

    def parse(text: str) -> str:
        if text.strip().lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.strip().lower()

    return parse


def number(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        raise ValueError("must be a number") from None


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    """Make a parser of whole numbers in a range."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d+", text.strip()) or not minimum <= int(text) <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def pairs(
    key: Callable[[str], str], value: Callable[[str], str]
) -> Callable[[str], dict[str, str]]:
    """Make a parser of a JSON object, or of ``KEY=VALUE`` separated by commas."""

    def parse(text: str) -> dict[str, str]:
        if text.lstrip().startswith("{"):
            given = _json_object(text)
        else:
            split = [each.partition("=") for each in text.split(",") if each.strip()]
            if not all(separator for _, separator, _ in split):
                raise ValueError("must be KEY=VALUE, separated by commas, or a JSON object")
            given = {name: each for name, _, each in split}
        return {_named(key, name): _named(value, each, name) for name, each in given.items()}

    return parse


def _json_object(text: str) -> dict[str, str]:
    try:
        content = json.loads(text)
    except ValueError as exc:
        raise ValueError(f"must be a JSON object: {exc}") from exc
    if not isinstance(content, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004  (wrong text, not a wrong type)
    return {key: str(value) for key, value in content.items()}


def _named(parse: Callable[[str], str], text: str, name: str = "") -> str:
    try:
        return parse(text)
    except ValueError as exc:
        raise ValueError(f"is wrong at {name or text!r}, which {exc}") from exc
