"""What must hold for the repository as a whole: no hosts, no machine paths, no secrets, one name for one thing."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditor.adminapi.resources import RESOURCES

ROOT = Path(__file__).parent.parent
SKIPPED = {".git", ".venv", "__pycache__"}

# Put together here, so that this file does not hold what it forbids.
INDEX_HOSTS = [f"{name}.{end}" for name, end in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
MACHINE_PATHS = ["/" + "work/", "/" + "root/", "/home" + "/", "/Users" + "/"]
KEY = re.compile("sk" + r"-(proj|admin|svcacct)-[A-Za-z0-9_-]{20,}|" + "xox" + r"[bp]-\d{6,}-")


def committed() -> Iterator[Path]:
    """Files that are in git or would go there; without git, all but caches."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")
        files = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        files = [path for path in ROOT.rglob("*") if not SKIPPED & set(path.relative_to(ROOT).parts)]
    yield from (path for path in files if path.is_file() and not SKIPPED & set(path.relative_to(ROOT).parts))


def texts() -> dict[str, str]:
    """Text by path from the top of the repository."""
    found = {}
    for path in committed():
        try:
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


@pytest.fixture(scope="module")
def repository() -> dict[str, str]:
    return texts()


@pytest.mark.parametrize("file", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda file: str(file.name))
def test_requirements_are_pinned_by_hash_and_name_no_host(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not [word for word in ("://", "index-url", "find-links", "trusted-host") if word in text]
    packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert packages
    assert not [line for line in packages if "==" not in line]
    pinned = re.findall(r"^\S+==.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", text, flags=re.MULTILINE)
    assert len(pinned) == len(packages)


def test_no_file_names_a_package_index(repository: dict[str, str]) -> None:
    assert not [(file, host) for file, text in repository.items() for host in INDEX_HOSTS if host in text]


def test_no_file_names_a_path_of_somebody_s_machine(repository: dict[str, str]) -> None:
    assert not [(file, path) for file, text in repository.items() for path in MACHINE_PATHS if path in text]


def test_no_file_holds_what_looks_like_a_key(repository: dict[str, str]) -> None:
    assert not [(file, found.group()[:12]) for file, text in repository.items() for found in KEY.finditer(text)]


def test_a_resource_has_one_name_and_one_path() -> None:
    names = [kind.name for kind in RESOURCES]
    paths = [kind.path for kind in RESOURCES]
    assert len(set(names)) == len(names)
    assert len(set(paths)) == len(paths)


def test_a_resource_s_path_names_its_parents() -> None:
    known = {kind.name for kind in RESOURCES}
    for kind in RESOURCES:
        parents = set(re.findall(r"{(\w+)}", kind.path))
        assert parents <= known
        assert (kind.parent in parents) == bool(parents), kind.name


def test_the_changelog_has_a_place_for_what_comes_next(repository: dict[str, str]) -> None:
    assert "## [Unreleased]" in repository["CHANGELOG.md"]


def test_the_license_is_apache_s_own_text(repository: dict[str, str]) -> None:
    text = repository["LICENSE"]
    assert "Copyright [yyyy] [name of copyright owner]" in text
    assert not re.findall(r"^\s*Copyright (?!\[yyyy])\S.*$", text, flags=re.MULTILINE)


def test_the_checks_need_no_terminal_and_stop_at_the_first_failure(repository: dict[str, str]) -> None:
    script = repository[".ci/run"]
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script
    assert script.rstrip().endswith("make check\nmake test")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
