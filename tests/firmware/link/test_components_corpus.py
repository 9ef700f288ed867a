"""Real images: what was checked by hand in their manifest, and their own package databases, against the files alone."""

import re
from pathlib import Path

import pytest

from customhouse.firmware.facts import map_contents
from customhouse.firmware.facts.component_rules import rules
from customhouse.firmware.facts.components import Components
from customhouse.firmware.facts.text import TextExtractor
from customhouse.firmware.link.components import components, rule_of_package
from customhouse.firmware.link.files import files_of
from customhouse.firmware.link.package_databases import Package, packages
from customhouse.firmware.unpack import unpack
from customhouse.host.context import Context

pytestmark = pytest.mark.corpus


class Read:
    """An image's components, found without its package database, and what that database says."""

    def __init__(self, image: Path, work: Path) -> None:
        context = Context(work=work, jobs=2)
        unpacked = unpack(image, context)
        facts = map_contents(unpacked.contents, (Components(), TextExtractor()), context)
        files = files_of(unpacked.tree, facts)
        found = components(files, unpacked.tree, unpacked.contents, package_database=False)
        self.versions: dict[str, set[str]] = {}
        for one in found:
            self.versions.setdefault(one.name, set()).add(one.version)
        self.declared = packages(files, unpacked.contents)
        self.contents = [Path(unpacked.contents[node.digest]) for node in unpacked.tree.files() if node.digest]
        self.names = "\n".join(node.path for node in unpacked.tree.nodes)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("wr841n_v11_160325_stock.bin", "busybox 1.01, dropbear 2012.55, hostapd 0.5.9, linux-kernel 2.6.31"),
        ("HG532eV100R001C01B020_upgrade_packet.bin", "linux-kernel 2.6.21.5"),
        ("spycam__rootfs.bin", "busybox 1.22.1"),
        ("spycam__appfs.bin", "hostapd 0.8.x, wpa_supplicant 0.8.x"),
        ("spycam__kernel.bin", "linux-kernel 3.10.14"),
        ("yi-1080-flash", "linux-kernel 4.9.118, busybox 1.27.2, wpa_supplicant 2.6, musl 1.1.16"),
        ("tasmota32_ottelo_tas.bin", "esp-idf 5.5.4"),
        ("tasmota32c3_ottelo_tas.bin", "esp-idf 5.5.4"),
    ],
)
def test_what_the_manifest_names_is_found(corpus, tmp_path, image, expected):
    read = Read(corpus / "images" / image, tmp_path)
    for name, version in (one.rsplit(" ", 1) for one in expected.split(", ")):
        assert version in read.versions.get(name, set()), name


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (
            "openwrt-tl-wr703n-v1-factory.bin",
            "busybox 1.19.4, dropbear 2011.54, dnsmasq 2.66, hostapd 2.1-devel, wpa_supplicant 2.1-devel, "
            "linux-kernel 3.3.8, uclibc 0.9.33.2",
        ),
        ("lede-17.01.4-tl-wr841-v11-factory.bin", "busybox 1.25.1, linux-kernel 4.4.92, musl 1.1.16, dropbear 2017.75"),
        (
            "ffulm-0.6.5-tl-wr841n-v11-factory.bin",
            "busybox 1.23.2, dnsmasq 2.73, dropbear 2016.74, linux-kernel 3.18.44, alfred 2014.4.0, fastd 18",
        ),
    ],
)
def test_package_databases_are_matched_from_the_files_alone(corpus, tmp_path, image, expected):
    read = Read(corpus / "images" / image, tmp_path)
    for name, version in (one.rsplit(" ", 1) for one in expected.split(", ")):
        assert version in read.versions.get(name, set()), name
    found, missed, wrong = compared(read)
    assert len(found) / (len(found) + len(missed)) >= 0.90, missed
    assert len(wrong) <= 0.02 * (len(found) + len(wrong)), wrong


def compared(read: Read) -> tuple[list[str], list[str], list[str]]:
    """Declared packages that the files show in their version, that they hide, and that they contradict."""
    found, missed, wrong = [], [], []
    for package in read.declared:
        rule = rule_of_package(package.name, rules(), frozenset(read.versions))
        if rule is None or not stands(read, package):
            continue
        seen = read.versions.get(rule.name, set()) - {""}
        label = f"{package.name} {package.upstream} {sorted(seen)}"
        if package.upstream in seen:
            found.append(label)
        elif seen and not re.search(r"20\d\d-|[0-9a-f]{40}|^20\d{6}$", package.upstream):
            wrong.append(label)
        else:
            missed.append(label)
    return found, missed, wrong


def stands(read: Read, package: Package) -> bool:
    """Whether the upstream version stands in a program or in a file's name at all."""
    version = re.escape(package.upstream)
    if re.search(rf"(?<![\d.]){version}(?![\d])", read.names.replace("/usr/lib/opkg", "")):
        return True
    pattern = re.compile(rb"(?<![\d.])" + version.encode() + rb"(?!\d)(?!\.\d)")
    return any(pattern.search(content) for path in read.contents if (content := path.read_bytes())[:4] == b"\x7fELF")
