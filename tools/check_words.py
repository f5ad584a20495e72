"""Refuses text that must not be in a tracked file: it names one machine, or a package index.

The patterns are written so that none matches its own source line.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Text that is refused.

    Attributes:
        pattern: Matches the refused text within one line.
        reason: Completes the sentence "… is refused: it".
        allowed_under: Path prefixes, relative to the checkout, of files that may contain it.
    """

    pattern: re.Pattern[str]
    reason: str
    allowed_under: tuple[str, ...] = ()


RULES = (
    Rule(
        pattern=re.compile(r"/[w]ork/(?:main|shared|[.]library)|/tmp/[w]/|/tmp/[b]ash_jobs"),
        reason="is a path of one machine",
    ),
    Rule(
        pattern=re.compile(
            r"\b[p]ypi\.org|[p]ythonhosted|(?:deb|security|snapshot|ftp)\.[d]ebian\.org|"
            r"[r]egistry\.npmjs|[m]irrors?\.[a-z0-9-]+\.[a-z]{2,}"
        ),
        reason="names a package index or mirror, which is each host's own setting",
    ),
    Rule(
        pattern=re.compile(r"\.\./[s]hared\b"),
        reason="lies outside the repository; only tests may look for it",
        allowed_under=("tests/", ".ci/"),
    ),
)


def find_words(name: str, text: str, rules: Iterable[Rule] = RULES) -> list[str]:
    """Finds refused text in one file.

    Args:
        name: The path relative to the checkout, with forward slashes.
        text: The content.
        rules: What is refused.

    Returns:
        One line `path:line: 'text' reason` for each finding.
    """
    active = [rule for rule in rules if not name.startswith(rule.allowed_under or ("\0",))]
    return [
        f"{name}:{number}: {match.group()!r} {rule.reason}"
        for number, line in enumerate(text.splitlines(), start=1)
        for rule in active
        for match in rule.pattern.finditer(line)
    ]


def tracked_files(root: Path) -> list[str]:
    """Lists the files that git tracks and that exist, relative to the checkout.

    Args:
        root: The top of the checkout.

    Returns:
        Paths with forward slashes.
    """
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True
    ).stdout
    return [name for name in listing.split("\0") if name and (root / name).is_file()]


def main() -> int:
    """Prints every finding to stderr.

    Returns:
        The exit code: 1 if there is a finding.
    """
    findings = [
        finding
        for name in tracked_files(ROOT)
        for finding in find_words(name, (ROOT / name).read_text(errors="replace"))
    ]
    for finding in findings:
        print(finding, file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
