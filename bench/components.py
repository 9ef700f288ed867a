"""Naming components of Debian packages: precision, recall and speed, beside cve-bin-tool 3.4 over the same files.

Truth is the package: its name says which component it carries, the upstream part of its version which version. A
version counts for recall only where it stands in the package's files at all. cve-bin-tool runs as a program in an
environment of its own, its scanner without the vulnerability database and without the sqlite checker (which needs the
network).

    python bench/components.py             the development list
    python bench/components.py held-out    a list drawn after the rules were written
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from debian_packages import Unpacked, cache_folder, fetch

from customhouse.firmware.facts import map_contents
from customhouse.firmware.facts.component_rules import Rule, rules
from customhouse.firmware.facts.components import Components
from customhouse.firmware.link.components import components, rule_of_package
from customhouse.firmware.link.files import files_of
from customhouse.host.context import Context
from customhouse.model import Digest, FileFacts, FileNode, FileTree, How, ImagePath, NodeKind

LISTS = Path(__file__).with_name("component_packages.toml")
PEER = "cve-bin-tool==3.4"
_PEER_PROGRAM = """
import json, sys
from cve_bin_tool import version_signature
version_signature.VersionSignatureDb.open = lambda self: None  # what the sqlite checker would fetch
from cve_bin_tool.version_scanner import VersionScanner
scanner = VersionScanner(should_extract=False)
scanner.remove_skiplist(["sqlite"])
for line in sys.stdin:
    found = []
    for scan in scanner.recursive_scan(line.strip()):
        if scan:
            found.append([scan.product_info.vendor, scan.product_info.product, scan.product_info.version])
    print("@@" + json.dumps(found), flush=True)  # it prints of its own accord too
"""

Report = tuple[str, str]
"""(component's name, version)."""


@dataclass
class Score:
    """Counts over all packages."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    expected: int = 0
    seconds: float = 0.0

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + len(self.wrong))

    @property
    def recall(self) -> float:
        return (self.expected - len(self.missed)) / max(1, self.expected)


@dataclass(frozen=True)
class Truth:
    """What one package is. `stated`: its version stands in its files or their names."""

    package: Unpacked
    rule: Rule
    version: str
    stated: bool
    carries: frozenset[str]
    """Further components that its source is known to bundle."""

    @property
    def label(self) -> str:
        return f"{self.package.package}/{self.package.architecture} {self.version}"


def truths(unpacked: list[Unpacked], bundled: Mapping[str, list[str]]) -> list[Truth]:
    """Packages of which a rule knows the component."""
    found = []
    for package in unpacked:
        rule = rule_of_package(package.package, rules())
        if package.folder is None or rule is None:
            print(f"  left out: {package.package} {package.architecture} {package.why or '(no rule)'}")
            continue
        version = upstream((package.folder / ".complete").read_text().split("_")[1])
        carries = frozenset(bundled.get(package.package, []))
        found.append(Truth(package, rule, version, _stands(package.folder, version), carries))
    return found


def upstream(version: str) -> str:
    """Upstream's part of a Debian version as it stands in a file name."""
    bare = re.sub(r"^\d+:", "", version.replace("%3a", ":"))
    bare = bare.rpartition("-")[0] or bare
    return re.sub(r"[+~.](?:dfsg|ds|repack|deb|really|git|nmu)[\w.+~]*$", "", bare)


def _stands(folder: Path, version: str) -> bool:
    """Whether a version stands in a program's bytes or in a file's name, not as a piece of a longer number."""
    pattern = re.compile(rb"(?<![0-9.])" + re.escape(version.encode()) + rb"(?![0-9])(?!\.[0-9])")
    for path in _regular(folder):
        if pattern.search(path.name.encode()) or (_is_elf(path) and pattern.search(path.read_bytes())):
            return True
    return False


def _regular(folder: Path) -> Iterator[Path]:
    return (
        one for one in sorted(folder.rglob("*")) if one.is_file() and not one.is_symlink() and one.name != ".complete"
    )


def _is_elf(path: Path) -> bool:
    with path.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"


def ours(given: list[Truth]) -> tuple[dict[str, set[Report]], float]:
    """What we report of each package, and the seconds that reading all of them took (no cache)."""
    start = time.perf_counter()
    contents: dict[Digest, Path] = {}
    trees: dict[str, FileTree] = {}
    for truth in given:
        folder = truth.package.folder or Path()
        nodes = []
        for path in _regular(folder):
            digest = Digest(hashlib.sha256(path.read_bytes()).hexdigest())
            contents[digest] = path
            name = ImagePath("/" + str(path.relative_to(folder)))
            nodes.append(FileNode(path=name, kind=NodeKind.FILE, digest=digest, size=path.stat().st_size))
        trees[truth.label] = FileTree(nodes=tuple(nodes))
    with tempfile.TemporaryDirectory() as work:
        facts: dict[Digest, FileFacts] = map_contents(contents, (Components(),), Context(work=Path(work), jobs=2))
    reports = {}
    for label, tree in trees.items():
        found = components(files_of(tree, facts), tree, package_database=False)
        reports[label] = {(one.name, one.version) for one in found if one.how is not How.MENTIONS}
    return reports, time.perf_counter() - start


def peer(given: list[Truth]) -> tuple[dict[str, set[Report]], float] | None:
    """The same of cve-bin-tool; None where it cannot be installed."""
    python = cache_folder() / "cve-bin-tool" / "bin" / "python"
    if not python.is_file() or subprocess.run([python, "-c", "import cve_bin_tool"], capture_output=True).returncode:
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        if subprocess.run([python, "-m", "pip", "install", "-q", PEER]).returncode:
            return None
    start = time.perf_counter()
    lines = "".join(f"{truth.package.folder}\n" for truth in given)
    done = subprocess.run([python, "-c", _PEER_PROGRAM], input=lines, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        print(done.stderr[-600:])
        return None
    reports = {}
    lines_of_ours = [line for line in done.stdout.splitlines() if line.startswith("@@")]
    for truth, line in zip(given, lines_of_ours, strict=True):
        found = json.loads(line.removeprefix("@@"))
        reports[truth.label] = {(_our_name(vendor, product), version) for vendor, product, version in found}
    return reports, seconds


def _our_name(vendor: str, product: str) -> str:
    """The rule's name for a CPE vendor and product, the product itself where no rule has it."""
    for rule in rules():
        if f"{vendor}:{product}" in rule.cpes or product == rule.name:
            return rule.name
    return next((rule.name for rule in rules() if any(cpe.endswith(f":{product}") for cpe in rule.cpes)), product)


def score(given: list[Truth], reports: Mapping[str, set[Report]], seconds: float) -> Score:
    """Every report is right or wrong; every stated version is found or missed."""
    result = Score(seconds=seconds)
    for truth in given:
        said = reports.get(truth.label, set())
        for name, version in sorted(said):
            belongs = name == truth.rule.name and (not version or same_version(version, truth.version))
            if belongs or name in truth.carries:
                result.right += 1
            else:
                result.wrong.append(f"{truth.label}: {name} {version}")
        if truth.stated:
            result.expected += 1
            if not any(name == truth.rule.name and same_version(version, truth.version) for name, version in said):
                result.missed.append(truth.label)
    return result


def same_version(said: str, true: str) -> bool:
    """Equal but for punctuation before a suffix (`2.1.0~beta3`, `2.1.0-beta3`) and libevent's `-stable`."""
    plain = [re.sub(r"[-~]?stable$", "", text.lower()).replace("~", "-") for text in (said, true)]
    return bool(said) and plain[0] == plain[1]


def main(which: str = "development") -> None:
    lists = tomllib.loads(LISTS.read_text())
    packages = lists[which]
    unpacked = [one for architecture, names in packages.items() for one in fetch(names, architecture)]
    given = truths(unpacked, lists["bundled"])
    size = sum(path.stat().st_size for truth in given for path in _regular(truth.package.folder or Path())) / 1e6
    print(f"{len(given)} packages, {size:.0f} MB, {sum(truth.stated for truth in given)} state their version in a file")
    mine = score(given, *ours(given))
    print(f"customhouse: precision {mine.precision:.3f}, recall {mine.recall:.3f}, {mine.seconds:.1f} s", flush=True)
    other = peer(given)
    theirs = score(given, *other) if other else None
    print(f"{'':16}{'precision':>10}{'recall':>8}{'right':>7}{'wrong':>7}{'missed':>8}{'seconds':>9}{'MB/s':>8}")
    for name, one in (("customhouse", mine), ("cve-bin-tool 3.4", theirs)):
        if one is not None:
            print(
                f"{name:16}{one.precision:10.3f}{one.recall:8.3f}{one.right:7}{len(one.wrong):7}"
                f"{len(one.missed):8}{one.seconds:9.1f}{size / one.seconds:8.1f}"
            )
    if theirs is not None:
        print(f"{theirs.seconds / mine.seconds:.0f} times as fast")
    for title, entries in (("wrong", mine.wrong), ("missed", mine.missed)):
        for entry in entries:
            print(f"  {title}: {entry}")


if __name__ == "__main__":
    main(*sys.argv[1:])
