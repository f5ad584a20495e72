"""WDL's grammars, worked out once for an installation.

To read WDL, miniwdl has lark work out tables from the grammar of its version: half a second of CPU
time in every process. lark can keep them in a file. They are kept beside the compiled modules of
this package, as what they are: made of the installation alone, and run by whoever runs it. Where
nobody may write, such as in a container that runs as another user than its image was built by,
they are there if ``python -m miniwdl_aws.runner.tuning.grammars`` was run before; else they are
worked out as miniwdl does it.
"""

import contextlib
import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import lark
from WDL import _grammar
from WDL._parser import (
    _lark_cache as _parsers,
    _lark_comments_buffer as _comments,
    _lark_lock as _lock,
)

VERSIONS = ("draft-2", "1.0", "1.1", "1.2", "development")
START = "document"

_log = logging.getLogger(__name__)

FOLDER = Path(cache_from_source(__file__)).parent

_OPTIONS: Any = {"parser": "lalr", "maybe_placeholders": False, "propagate_positions": True}
_CALLBACKS: Any = {"COMMENT": _comments.append}
"""Those that ``WDL._parser.parse`` gives to lark."""


def with_kept_tables(
    parse: Callable[..., Any], folder: Path = FOLDER
) -> Callable[[str, str, str], Any]:
    """Have miniwdl's parser begin with tables that are kept.

    Args:
        parse: miniwdl's own ``WDL._parser.parse``.
        folder: where they are kept.
    """

    def parse_with(grammar: str, txt: str, start: str) -> Any:
        with _lock:
            if (grammar, start) not in _parsers:
                parser = kept(grammar, start, folder)
                if parser is not None:
                    _parsers[grammar, start] = parser
        return parse(grammar, txt, start)

    return parse_with


def kept(grammar: str, start: str, folder: Path) -> lark.Lark | None:
    """Give the parser of a grammar from its tables, which are written if there are none.

    Args:
        grammar: the grammar, in lark's notation.
        start: the symbol that it begins with.
        folder: where the tables are kept.

    Returns:
        None if there are none and they may not be written.
    """
    file = _file(grammar, start, folder)
    known = _read(file)
    if known is not None or sys.dont_write_bytecode or not os.access(folder, os.W_OK):
        return known
    parser = lark.Lark(grammar, start=start, **_OPTIONS, lexer_callbacks=_CALLBACKS)
    with contextlib.suppress(OSError):
        _write(parser, file)
    return parser


def _file(grammar: str, start: str, folder: Path) -> Path:
    of = f"{grammar}\0{start}\0{lark.__version__}\0{sys.implementation.cache_tag}"
    return folder / f"wdl-{hashlib.sha256(of.encode()).hexdigest()[:16]}.lark"


def _read(file: Path) -> lark.Lark | None:
    """Read what `_write` wrote; None for what is not there, or damaged."""
    try:
        with file.open("rb") as tables:
            # lark's own way to load a parser, which takes no callbacks where it is public.
            return lark.Lark.__new__(lark.Lark)._load(tables, lexer_callbacks=_CALLBACKS)  # noqa: SLF001
    except FileNotFoundError:
        return None
    except Exception as exc:  # noqa: BLE001  (pickle raises whatever it comes across)
        _log.debug("%s is of no use, and made anew: %s", file, exc)
        return None


def _write(parser: lark.Lark, file: Path) -> None:
    """Write a parser's tables; whoever reads them at the same time finds all of them or none."""
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".new", delete=False) as new:
        try:
            parser.save(new, ("lexer_callbacks",))
            new.flush()
            Path(new.name).chmod(0o644)
            Path(new.name).replace(file)
        except BaseException:
            Path(new.name).unlink()
            raise


def write_all(folder: Path) -> None:
    """Write the tables of all versions of WDL, whatever Python was told of writing bytecode.

    Args:
        folder: where they are kept; made if need be.

    Raises:
        OSError: they could not be written, or cannot be read again.
    """
    sys.dont_write_bytecode = False
    folder.mkdir(exist_ok=True)
    for grammar in {_grammar.get(version)[0] for version in VERSIONS}:
        kept(grammar, START, folder)
        if _read(_file(grammar, START, folder)) is None:
            raise OSError(f"a table of WDL's grammars could not be written to {folder}")


def main() -> None:
    """Write them beside the compiled modules."""
    try:
        write_all(FOLDER)
    except OSError as exc:
        raise SystemExit(str(exc)) from exc


if __name__ == "__main__":
    main()
