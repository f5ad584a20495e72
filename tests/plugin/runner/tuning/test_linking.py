"""Tests of `miniwdl_aws.runner.tuning.linking`: it does what miniwdl does."""

import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import WDL
from WDL._util import chmod_R_plus
from WDL.runtime import _io_helpers

from miniwdl_aws.runner.tuning import linking

WDL_TYPES = """
version 1.2
struct Pack { File inner  Int n }
workflow w {
  input {
    Array[File] many  Map[String, File] named  Map[String, File] odd  Pair[File, Directory] pair
    Pack pack  File? missing  Array[Array[File]] nested  Int number  Array[File] none
  }
  output {
    Array[File] o_many = many  Map[String, File] o_named = named  Map[String, File] o_odd = odd
    Pair[File, Directory] o_pair = pair  Pack o_pack = pack  File? o_missing = missing
    Array[Array[File]] o_nested = nested  Int o_number = number  Array[File] o_none = none
  }
}
"""


class FakeCache:
    """Knows one download."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def get_download(self, uri: str, directory: bool = False) -> str | None:
        return self.known.get(uri)


@pytest.fixture
def scene(tmp_path: Path) -> Callable[[str], tuple[Any, Any, Path]]:
    """Make a run directory and outputs in it, as many kinds as there are."""

    def make(name: str) -> tuple[Any, Any, Path]:
        root = tmp_path / name
        run = root / "run"
        for number in range(12):
            work = run / f"call-t-{number}/work"
            out = run / f"call-t-{number}/out/f"
            work.mkdir(parents=True)
            out.mkdir(parents=True)
            (work / "same.txt").write_text(str(number))
            (out / "same.txt").symlink_to("../../work/same.txt")
        (root / "elsewhere").mkdir()
        (root / "elsewhere/far.txt").write_text("far")
        (root / "link").symlink_to(root / "elsewhere")
        (run / "call-t-0/work/dir").mkdir()
        (run / "call-t-0/work/dir/x").write_text("x")
        many = [str(run / f"call-t-{number}/out/f/same.txt") for number in range(12)]
        values = {
            "many": many,
            "named": {"a": many[0], "b-2.x": many[1]},
            "odd": {"a/b": many[2], "c": str(root / "link/far.txt")},
            "pair": {"left": many[3], "right": str(run / "call-t-0/work/dir")},
            "pack": {"inner": many[4], "n": 1},
            "nested": [[many[5]], [many[6], "https://example.com/x.txt"]],
            "number": 3,
            "none": [],
        }
        document = WDL.parse_document(WDL_TYPES)
        document.typecheck()
        workflow = document.workflow
        assert workflow is not None
        inputs = WDL.values_from_json(values, workflow.available_inputs, workflow.required_inputs)
        cache = FakeCache({"https://example.com/x.txt": str(root / "elsewhere/far.txt")})
        return cache, inputs, run

    return make


def tree(folder: Path) -> dict[str, str]:
    """Describe what lies below a folder: links by their targets."""
    found = {}
    for path in sorted(folder.rglob("*")):
        kind = str(path.readlink()) if path.is_symlink() else ("dir" if path.is_dir() else "file")
        found[str(path.relative_to(folder))] = kind
    return found


def test_links_and_values_are_miniwdls_own(
    scene: Callable[[str], tuple[Any, Any, Path]], tmp_path: Path
) -> None:
    """The same tree of links with the same targets, the same outputs, the inputs unchanged."""
    made = {}
    for name, link in (("theirs", _io_helpers.link_outputs), ("ours", linking.link_outputs)):
        cache, outputs, run = scene(name)
        before = WDL.values_to_json(outputs)
        linked = WDL.values_to_json(link(cache, outputs, str(run)))
        assert WDL.values_to_json(outputs) == before
        text = {
            where: target.replace(str(tmp_path / name), "") for where, target in tree(run).items()
        }
        made[name] = (text, str(linked).replace(str(tmp_path / name), ""))
    assert made["ours"] == made["theirs"]
    assert len([where for where in made["ours"][0] if where.startswith("out/many/")]) == 24


def test_an_out_that_exists_is_refused(scene: Callable[[str], tuple[Any, Any, Path]]) -> None:
    """As by miniwdl: it belongs to another run."""
    cache, outputs, run = scene("ours")
    (run / "out").mkdir()
    with pytest.raises(FileExistsError):
        linking.link_outputs(cache, outputs, str(run))


def test_hard_links_are_miniwdls(scene: Callable[[str], tuple[Any, Any, Path]]) -> None:
    """What is not done here is handed on."""
    cache, outputs, run = scene("ours")
    linking.link_outputs(cache, outputs, str(run), hardlinks=True)
    assert not (run / "out/many/00/same.txt").is_symlink()


def test_paths_resolve_as_the_system_does(tmp_path: Path) -> None:
    """Links to links, relative and absolute, up and down."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch()
    (tmp_path / "up").symlink_to("a")
    (tmp_path / "a/over").symlink_to("../up/b")
    (tmp_path / "a/b/again").symlink_to("../../up/over/file")
    (tmp_path / "absolute").symlink_to(tmp_path / "up/over")
    (tmp_path / "odd").symlink_to("up/over/../over/file")
    resolver = linking._Resolver()
    for name in (
        "a/b/file", "up/b/file", "a/over/file", "a/b/again", "absolute/again", "odd", "up/", "a",
        "up/../a/over/file",
    ):  # fmt: skip
        assert resolver.resolve(f"{tmp_path}/{name}") == os.path.realpath(tmp_path / name)
    assert resolver.resolve("/") in ("", "/")


def test_collisions_are_told_as_miniwdl_does(
    scene: Callable[[str], tuple[Any, Any, Path]], caplog: pytest.LogCaptureFixture
) -> None:
    """Two files of a name are worth a warning; a file named twice is not."""
    _, outputs, _ = scene("ours")
    said = []
    for warn in (
        _io_helpers._warn_output_basename_collisions,
        linking.warn_output_basename_collisions,
    ):
        caplog.clear()
        warn(logging.getLogger("test"), outputs)
        said.append([str(record.msg) for record in caplog.records])
    assert said[0] == said[1] != []


def test_bits_are_added_as_miniwdl_does(tmp_path: Path) -> None:
    """Files and directories get the bits they lack, links are left alone."""
    modes = []
    for name, change in (("theirs", chmod_R_plus), ("ours", linking.chmod_r_plus)):
        root = tmp_path / name
        (root / "a/b").mkdir(parents=True)
        (root / "a/b/x").touch(mode=0o600)
        (root / "a/y").touch(mode=0o444)
        (root / "a").chmod(0o700)
        (root / "a/link").symlink_to("/etc/hostname")
        change(str(root), file_bits=0o660, dir_bits=0o770)
        change(str(root / "a/y"), file_bits=0o111)
        modes.append(
            {
                str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode)
                for path in [root, *root.rglob("*")]
            }
        )
    assert modes[0] == modes[1]
    assert modes[1]["a/b/x"] == 0o660
