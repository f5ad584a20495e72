"""Checks, without a network, that the pinned files hold what the two pyproject.toml files ask for.

`constraints.txt` pins everything, `plugin/runner.txt` the part of it that the workflow image
installs, `tools/uv.txt` the installer, and `tools/foreign/NAME.txt` the foreign client that
`NAME.in` asks for. `make constraints` renews them; this says when that was forgotten.
"""

import re
import sys
import tomllib
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = ("pyproject.toml", "plugin/pyproject.toml")
EVERYTHING = "constraints.txt"
RUNNER = "plugin/runner.txt"
INSTALLER = "tools/uv.txt"
FOREIGN = "tools/foreign"
SHARED = ("apache-airflow", "apache-airflow-providers-amazon", "miniwdl")
"""What a foreign client has in the same version as ours, so that the two can be compared."""

Pins: TypeAlias = Mapping[str, list[Version]]

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


def read_requirements(
    project: Mapping[str, Any], *, extras: Container[str] | None = None
) -> Iterator[Requirement]:
    """Yields what a pyproject.toml asks for.

    Args:
        project: The parsed file.
        extras: The extras to include, without dependency groups; None for all of both.

    Yields:
        The requirements of the distribution, of the extras and of the dependency groups.
    """
    table = project["project"]
    optional = table.get("optional-dependencies", {})
    for entries in (
        table.get("dependencies", []),
        *(optional[name] for name in optional if extras is None or name in extras),
        *(project.get("dependency-groups", {}).values() if extras is None else ()),
    ):
        # An included group is a table; its own entries are among the groups.
        yield from (Requirement(entry) for entry in entries if isinstance(entry, str))


def unmet(requirement: Requirement, pins: Pins) -> str | None:
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


def differences(part: Pins, whole: Pins) -> Iterator[str]:
    """Yields one sentence for each pin that differs from the same distribution's in the whole.

    Args:
        part: Pins that must all be among those of the whole.
        whole: All pins.
    """
    for name, versions in part.items():
        if not set(versions) <= set(whole.get(name, ())):
            pinned = ", ".join(map(str, whole.get(name, ()))) or "nothing"
            yield f"{name} is {', '.join(map(str, versions))} but {EVERYTHING} has {pinned}"


def find_problems(root: Path) -> list[str]:
    """Compares the pinned files of a checkout with its pyproject.toml files.

    Args:
        root: The top of the checkout.

    Returns:
        One sentence for each problem; none means that the files agree.
    """
    found: list[str] = []
    pins: dict[str, Pins] = {}
    for name in (EVERYTHING, RUNNER, INSTALLER):
        pins[name], problems = read_pins((root / name).read_text())
        found += [f"{name}: {problem}" for problem in problems]
    found += [f"{RUNNER}: {text}" for text in differences(pins[RUNNER], pins[EVERYTHING])]

    provider, plugin = (tomllib.loads((root / name).read_text()) for name in PROJECTS)
    asked = {
        EVERYTHING: [*read_requirements(provider), *read_requirements(plugin)],
        RUNNER: [*read_requirements(plugin, extras={"runner"})],
    }
    own = canonicalize_name(plugin["project"]["name"])
    found += [
        f"{name}: {problem}"
        for name, requirements in asked.items()
        for requirement in requirements
        if canonicalize_name(requirement.name) != own
        if (problem := unmet(requirement, pins[name]))
    ]
    for path in sorted((root / FOREIGN).glob("*.in")):
        found += _foreign_problems(path, pins[EVERYTHING])
    return found


def _foreign_problems(asking: Path, everything: Pins) -> Iterator[str]:
    """Yields what is wrong with the pins of one foreign client."""
    name = f"{FOREIGN}/{asking.stem}.txt"
    path = asking.with_suffix(".txt")
    pins, problems = read_pins(path.read_text() if path.is_file() else "")
    problems += filter(None, (unmet(Requirement(each), pins) for each in _lines(asking)))
    shared = {each: pins[each] for each in SHARED if each in pins}
    yield from (f"{name}: {problem}" for problem in (*problems, *differences(shared, everything)))


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.strip()]


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
