"""The arguments of ``miniwdl run``, read and written with miniwdl's own grammar.

The grammar is miniwdl's, with two additions: ``-i`` can be given again and again (`inputs` lays
the files over each other), and options may stand anywhere among the inputs.
"""

import argparse
import contextlib
import importlib
import io
from collections.abc import Iterator, Sequence
from typing import Any

from miniwdl_aws.errors import ConfigurationError, InvalidInputError


def miniwdl(module: str) -> Any:
    """Import a module of miniwdl, which only preparing a run needs.

    Raises:
        ConfigurationError: miniwdl is not installed here.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise ConfigurationError(
            "miniwdl",
            "is not installed here, and it checks WDL sources and inputs",
            remedy="pip install 'miniwdl-aws[wdl]>=1.0'.",
        ) from exc


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments of ``miniwdl run``.

    Returns:
        The namespace: ``uri``, ``inputs``, ``input_files``, ``empty``, ``none``, ``task`` and
        all the others that miniwdl has.

    Raises:
        InvalidInputError: they are not those of ``miniwdl run``; with what it complains about.
    """
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            return _parser().parse_intermixed_args(list(arguments))
    except SystemExit as exc:
        said = complaints.getvalue().strip().splitlines()
        last = said[-1].partition("error: ")[2] if said else f"exit code {exc.code}"
        raise InvalidInputError(
            f"these are not arguments of `miniwdl run`: {last}. They were: {list(arguments)}"
        ) from exc


def write_arguments(parsed: argparse.Namespace) -> list[str]:
    """Write arguments such that `parse_arguments`, and miniwdl itself, read them as they are.

    The source and ``key=value`` inputs come first, so that any version of argparse finds them.
    """
    positional: list[str] = []
    optional: list[str] = []
    for action in _parser()._actions:  # noqa: SLF001  (argparse has no other list)
        value = getattr(parsed, action.dest, action.default)
        if not action.option_strings:
            positional += [value] if isinstance(value, str) else value
        elif value != action.default:
            optional += _option(action, value)
    return [*positional, *optional]


def changed(parsed: argparse.Namespace, **changes: Any) -> argparse.Namespace:
    """Give the same arguments with some of them changed."""
    return argparse.Namespace(**{**vars(parsed), **changes})


def _option(action: argparse.Action, value: Any) -> Iterator[str]:
    flag = max(action.option_strings, key=len)
    if action.nargs == 0:
        yield flag
        return
    for each in value if isinstance(value, list) else [value]:
        if str(each).startswith("-"):
            yield f"{flag}={each}" if flag.startswith("--") else f"{flag}{each}"
        else:
            yield from (flag, str(each))


def _parser() -> argparse.ArgumentParser:
    cli = miniwdl("WDL.CLI")
    parser: argparse.ArgumentParser = cli.fill_run_subparser(
        argparse.ArgumentParser("miniwdl").add_subparsers()
    )
    cli.fill_common(parser)
    ours = parser.add_argument_group("inputs", conflict_handler="resolve")
    ours.add_argument("-i", "--input", dest="input_files", action="append", default=[])
    return parser
