"""The built files hold what a user needs and nothing else."""

import email
import tarfile
import tomllib
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any


def project(sources: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((sources / "pyproject.toml").read_text())
    return table


def package(sources: Path) -> str:
    (name,) = project(sources)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return str(name)


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_a_wheel_holds_every_file_of_its_package(built: Any) -> None:
    """Python files, `py.typed`, configuration: whatever the checkout has in the package."""
    top = built.sources / package(built.sources)
    with zipfile.ZipFile(built.wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == {
        path.relative_to(built.sources).as_posix() for path in top.rglob("*") if path.is_file()
    }
    assert f"{top.name}/py.typed" in packed


def test_a_wheel_adds_only_its_metadata_and_the_licence(built: Any) -> None:
    """No tests, no documentation, no top-level module of another name."""
    with zipfile.ZipFile(built.wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" in name]
    assert {name.partition(".dist-info/")[2] for name in names} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_an_sdist_holds_no_tests_and_nothing_of_the_other_distribution(built: Any) -> None:
    """Its folders are the package's alone."""
    with tarfile.open(built.sdist) as archive:
        names = [Path(member.name).parts[1:] for member in archive.getmembers() if member.isfile()]
    assert {parts[0] for parts in names if len(parts) > 1} == {package(built.sources)}
    top = {parts[0] for parts in names if len(parts) == 1}
    assert {"LICENSE", "README.md", "PKG-INFO", "pyproject.toml"} <= top
    assert top <= {
        "LICENSE",
        "README.md",
        "PKG-INFO",
        "pyproject.toml",
        "CHANGELOG.md",
        "runner.txt",
        ".gitignore",
    }


def test_the_metadata_say_what_pyproject_says(built: Any) -> None:
    """Name, licence, the Python that it takes, the description that an index shows."""
    table, found = project(built.sources)["project"], metadata(built.wheel)
    assert found["Name"] == table["name"]
    assert found["License-Expression"] == "Apache-2.0"
    assert found["Requires-Python"] == ">=3.11"
    module = (built.sources / package(built.sources) / "__init__.py").read_text()
    assert f'__version__ = "{found["Version"]}"' in module
    assert str(found.get_payload()).strip()
