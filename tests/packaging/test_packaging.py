"""What an installation holds, and on which Python it can be made."""

import fnmatch
import importlib.metadata
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PINNED = [line.split("==")[0] for line in (ROOT / "constraints.txt").read_text("utf-8").split() if "==" in line]


def test_every_data_file_goes_into_the_package() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    package = ROOT / "src/customhouse"
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    data = [path for path in files if path.suffix != ".py"]
    assert len(data) > 10
    for path in data:
        # Every folder whose name is an identifier is a package to setuptools, and a pattern holds for one folder.
        assert all(part.isidentifier() for part in path.relative_to(package).parent.parts), path
        assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns), f"no package-data pattern for {path}"


def test_every_folder_with_code_is_a_package() -> None:
    for path in (ROOT / "src/customhouse").rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), f"{path.parent} would be left out of a wheel"


def test_every_pinned_package_installs_on_the_oldest_python_we_promise() -> None:
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=") + ".0"
    for name in PINNED:
        try:
            wanted = importlib.metadata.metadata(name).get("Requires-Python") or ""
        except importlib.metadata.PackageNotFoundError:
            continue  # pinned for the other extras
        assert SpecifierSet(wanted).contains(oldest), f"{name} needs Python {wanted}"
