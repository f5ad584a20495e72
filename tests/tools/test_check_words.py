"""Tracked files name no single machine and no package index."""

import pytest

from tools import check_words

OUTSIDE = "../" + "shared"


@pytest.mark.parametrize(
    "text",
    [
        "/" + "work/main/README.md",
        "/" + "tmp/w/notes",
        "https://" + "pypi" + ".org/simple",
        "files." + "python" + "hosted.org",
        "http://" + "deb." + "debian.org/debian",
        OUTSIDE,
    ],
)
def test_a_refused_word_is_shown_with_its_place(text: str) -> None:
    """So that an editor can jump to it."""
    (finding,) = check_words.find_words("docs/page.md", f"first line\nsee {text}\n")
    assert finding.startswith("docs/page.md:2: ")


def test_tests_may_look_beside_the_checkout() -> None:
    """Where data lie that are not copied into the project."""
    assert check_words.find_words("tests/e2e/test_sample.py", OUTSIDE) == []
    assert check_words.find_words(".ci/run", OUTSIDE) == []


def test_words_that_merely_look_alike_pass() -> None:
    """Run directories have folders called work, images have registries."""
    text = "cd /mnt/efs/run/work/files; docker pull quay.io/x; https://docs.python.org; debian:12"
    assert check_words.find_words("docs/page.md", text) == []


def test_the_checkout_is_clean() -> None:
    """The command that `make check` runs finds nothing, and looks at its own source too."""
    assert "tools/check_words.py" in check_words.tracked_files(check_words.ROOT)
    assert check_words.main() == 0
