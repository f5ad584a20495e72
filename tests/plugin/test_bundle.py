"""Tests of `miniwdl_aws.bundle`."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from miniwdl_aws.bundle import (
    Bundle,
    decode_inline,
    decode_object,
    encode_inline,
    encode_object,
    reference,
    resolve_references,
    unpack,
)
from miniwdl_aws.errors import InvalidInputError

NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}\.wdl", fullmatch=True)
BUNDLES = st.dictionaries(NAMES, st.binary(max_size=200), max_size=4).map(Bundle)


@given(BUNDLES)
def test_an_inline_bundle_survives_the_environment(bundle: Bundle) -> None:
    """What is written into the variable is read back, and it is plain printable text."""
    text = encode_inline(bundle)
    assert decode_inline(text) == bundle
    assert text.isascii()
    assert text.isprintable()


@given(BUNDLES)
def test_an_object_bundle_survives_s3(bundle: Bundle) -> None:
    """What is put is read back under the name that its content gives it."""
    name, content = encode_object(bundle)
    assert decode_object(name, content) == bundle
    assert encode_object(Bundle(dict(sorted(bundle.files.items(), reverse=True)))) == (
        name,
        content,
    )


def test_a_changed_object_is_refused() -> None:
    """The job runs what was submitted, or nothing."""
    name, content = encode_object(Bundle({"a.wdl": b"version 1.1"}))
    with pytest.raises(InvalidInputError, match="was changed or cut short"):
        decode_object(name, content[:-1])


@pytest.mark.parametrize("text", ["inline:!!", "inline:AAAA", ""])
def test_garbage_in_the_variable_is_refused(text: str) -> None:
    """A damaged variable ends in a sentence, not in a traceback of a decoder."""
    with pytest.raises(InvalidInputError, match="does not hold a bundle"):
        decode_inline(text)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", ""])
def test_a_path_that_leaves_the_folder_is_refused(name: str) -> None:
    """Unpacking never writes outside its folder."""
    with pytest.raises(InvalidInputError, match="leaves its folder"):
        Bundle({name: b""})


def test_references_become_paths_of_the_unpacked_files(tmp_path: Path) -> None:
    """The job's command names its files before it knows where they will lie."""
    bundle = Bundle({"source/main.wdl": b"version 1.1"})
    unpack(bundle, tmp_path)
    arguments = resolve_references([reference("source/main.wdl"), "x=1"], tmp_path)
    assert Path(arguments[0]).read_bytes() == b"version 1.1"
    assert arguments[1] == "x=1"
