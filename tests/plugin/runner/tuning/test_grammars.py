"""Tests of `miniwdl_aws.runner.tuning.grammars`."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lark
import pytest
from WDL import Error, _grammar, _parser

from miniwdl_aws.runner.tuning import grammars

TASK = """task t {
  input {
    Int i = 1
  }
  # it says so
  command <<< echo ~{i} >>>
}
"""


@pytest.fixture(autouse=True)
def no_parser_made() -> Iterator[None]:
    """No parser of another test: miniwdl keeps them for the length of a process."""
    before = dict(_parser._lark_cache)
    _parser._lark_cache.clear()
    yield
    _parser._lark_cache.clear()
    _parser._lark_cache.update(before)
    _parser._lark_comments_buffer.clear()


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python may be told to write no bytecode where the tests run."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The grammars that tables were worked out from."""
    worked_out = list[str]()
    own: Callable[..., object] = vars(lark.lark)["load_grammar"]

    def load(grammar: str, *args: object) -> object:
        worked_out.append(grammar)
        return own(grammar, *args)

    monkeypatch.setattr(lark.lark, "load_grammar", load)
    return worked_out


@pytest.mark.usefixtures("writing")
@pytest.mark.parametrize("version", [v for v in grammars.VERSIONS if v != "draft-2"])
def test_what_is_read_is_the_same(version: str, tmp_path: Path, counted: list[str]) -> None:
    """With tables worked out now, with those that were kept, and as miniwdl reads it itself."""
    text = f"version {version}\n{TASK}"
    plain = _read(text)
    del counted[:]
    parse = grammars.with_kept_tables(_parser.parse, tmp_path)
    assert _read(text, parse) == plain
    assert len(counted) == 1
    assert _read(text, parse) == plain
    assert len(counted) == 1
    assert len(list(tmp_path.iterdir())) == 1


def _read(text: str, parse: object = _parser.parse) -> tuple[object, ...]:
    _parser._lark_cache.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parser, "parse", parse)
        document = _parser.parse_document(text)
    (task,) = document.tasks
    comments = [each.text for each in document.source_comments if each]
    return str(task.command), task.pos, [str(each) for each in task.inputs or []], comments


@pytest.mark.usefixtures("writing")
def test_a_syntax_error_is_the_same(tmp_path: Path) -> None:
    """Its place too, which is what users look for."""
    parse = grammars.with_kept_tables(_parser.parse, tmp_path)
    found = []
    for each in (_parser.parse, parse, parse):
        with pytest.raises(Error.SyntaxError) as caught:
            _read("version 1.0\ntask t {\n  comand {}\n}\n", each)
        found.append((str(caught.value), caught.value.pos))
    assert found[0] == found[1] == found[2]


def test_nothing_is_kept_where_nothing_may_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a directory of somebody else's, or if Python is told to write no bytecode."""
    grammar = _grammar.get("1.0")[0]
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert grammars.kept(grammar, "document", tmp_path) is None
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert grammars.kept(grammar, "document", tmp_path / "missing") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("writing")
def test_a_damaged_file_is_made_anew(tmp_path: Path, counted: list[str]) -> None:
    """A disk that was full may leave half of one."""
    grammar = _grammar.get("1.0")[0]
    assert grammars.kept(grammar, "document", tmp_path) is not None
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    ends = [0, 1, 64, 65, 66, 1000, len(whole) // 2, len(whole) - 1]
    for end in ends:
        file.write_bytes(whole[:end])
        parser = grammars.kept(grammar, "document", tmp_path)
        assert parser is not None
        assert parser.parse(f"version 1.0\n{TASK}").data == "document"
        assert list(tmp_path.iterdir()) == [file]
    assert counted == [grammar] * (1 + len(ends))


def test_the_tables_of_all_versions_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the workflow image is built; what a version shares with another is there once."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which a base image may ask for
    grammars.write_all(tmp_path / "new")
    known = {_grammar.get(version)[0] for version in grammars.VERSIONS}
    assert set(_grammar.versions) == set(grammars.VERSIONS)
    assert len(list((tmp_path / "new").iterdir())) == len(known)


@pytest.mark.usefixtures("writing")
def test_a_table_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """An image without tables would be slower, and nobody would know why."""
    grammars.write_all(tmp_path)
    file, *_ = tmp_path.iterdir()
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError, match="could not be written"):
        grammars.write_all(tmp_path)
    with pytest.raises(OSError, match="File exists"):
        grammars.write_all(_a_file(tmp_path))


def _a_file(folder: Path) -> Path:
    file = folder / "file"
    file.touch()
    return file
