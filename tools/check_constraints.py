"""Checks, without a network, that constraints.txt holds what the two pyproject.toml files ask for.

`make constraints` renews the file; this says when that was forgotten.
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = ("pyproject.toml", "plugin/pyproject.toml")
PINNED = ("constraints.txt", "tools/uv.txt")

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?:\s*;[^\\]*)?\s*\\?$")
_HASH = re.compile(r"^\s+--hash=sha256:[0-9a-f]{64}(?:\s*\\)?$")


def read_pins(text: str) -> tuple[dict[str, list[Version]], list[str]]:
    """Reads a hashed requirements file.

    Args:
        text: The content of the file.

    Returns:
        The pinned versions of each distribution by canonical name (markers may give it several),
        and one sentence for each line or pin that is not of the form `name==version` with hashes.
    """
    pins: dict[str, list[Version]] = {}
    problems: list[str] = []
    unhashed: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if _HASH.match(line):
            unhashed = None
            continue
        if unhashed:
            problems.append(f"{unhashed} has no hash")
            unhashed = None
        if match := _PIN.match(line):
            unhashed = match["name"]
            name = canonicalize_name(match["name"])
            pins.setdefault(name, []).append(Version(match["version"]))
        elif line.strip():
            problems.append(f"line {number} is no pinned requirement: {line.strip()!r}")
    if unhashed:
        problems.append(f"{unhashed} has no hash")
    return pins, problems


def read_requirements(project: Mapping[str, Any]) -> Iterator[Requirement]:
    """Yields everything that a pyproject.toml asks for.

    Args:
        project: The parsed file.

    Yields:
        The requirements of the distribution, of each extra and of each dependency group.
    """
    table = project["project"]
    groups = project.get("dependency-groups", {})
    for entries in (
        table.get("dependencies", []),
        *table.get("optional-dependencies", {}).values(),
        *groups.values(),
    ):
        # An included group is a table; its own entries are among the groups.
        yield from (Requirement(entry) for entry in entries if isinstance(entry, str))


def unmet(requirement: Requirement, pins: Mapping[str, list[Version]]) -> str | None:
    """Says what a requirement lacks among the pins.

    Args:
        requirement: One requirement of a pyproject.toml.
        pins: The pinned versions by canonical name.

    Returns:
        A sentence, or None where every pinned version satisfies the requirement.
    """
    versions = pins.get(canonicalize_name(requirement.name))
    if versions is None:
        return f"{requirement} is not pinned at all"
    for version in versions:
        if not requirement.specifier.contains(version, prereleases=True):
            return f"{requirement} is pinned to {version}"
    return None


def find_problems(root: Path) -> list[str]:
    """Compares the pinned files of a checkout with its pyproject.toml files.

    Args:
        root: The top of the checkout.

    Returns:
        One sentence for each problem; none means that the files agree.
    """
    found: list[str] = []
    pins: dict[str, list[Version]] = {}
    for name in PINNED:
        file_pins, problems = read_pins((root / name).read_text())
        found += [f"{name}: {problem}" for problem in problems]
        pins |= file_pins
    projects = {name: tomllib.loads((root / name).read_text()) for name in PROJECTS}
    own = {canonicalize_name(project["project"]["name"]) for project in projects.values()}
    for name, project in projects.items():
        for requirement in read_requirements(project):
            if canonicalize_name(requirement.name) in own:
                continue
            if problem := unmet(requirement, pins):
                found.append(f"{name}: {problem} in constraints.txt")
    return found


def main() -> int:
    """Prints every problem to stderr.

    Returns:
        The exit code: 1 if there is a problem.
    """
    problems = find_problems(ROOT)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("Run `make constraints` and commit the result.", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
