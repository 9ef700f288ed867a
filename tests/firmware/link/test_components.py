"""Components joined over a device: proofs, file names, kernels, package databases, and what nobody named."""

import pytest

from customhouse.firmware.link import link
from customhouse.firmware.link.components import cpe_of, purl_of
from customhouse.firmware.link.sbom_comparison import sbom_differences
from customhouse.model import (
    Component,
    ComponentFacts,
    ComponentHint,
    Confidence,
    Digest,
    ElfFacts,
    FileFacts,
    FileKind,
    How,
    NodeKind,
)


def program(digest: str, *hints: ComponentHint, imports: tuple[str, ...] = (), size: int = 1000) -> FileFacts:
    elf = ElfFacts(
        machine="arm",
        bits=32,
        big_endian=False,
        type="exec",
        architecture="armhf",
        imports=imports,
        interpreter="/lib/ld",
    )
    return FileFacts(
        digest=Digest(digest), size=size, kind=FileKind.ELF, elf=elf, components=ComponentFacts(hints=hints)
    )


def hint(rule: str, version: str = "", how: How = How.DEFINES) -> ComponentHint:
    return ComponentHint(rule=rule, how=how, version=version, offset=16, excerpt=f"{rule} {version}")


def found(device, **options) -> list[tuple[str, str, How]]:
    facts = device.facts()
    linked = link(facts.tree, facts.facts, **options)
    return [(one.name, one.version, one.how) for one in linked.components]


def test_a_proven_file_is_a_component_with_its_evidence(device):
    device.add("/bin/busybox", program("aa", hint("busybox", "1.22.1")), 0o755)
    [busybox] = device.facts().components
    assert (busybox.name, busybox.version, busybox.confidence) == ("busybox", "1.22.1", Confidence.HIGH)
    assert busybox.purl == "pkg:generic/busybox@1.22.1"
    assert busybox.cpes == ("cpe:2.3:a:busybox:busybox:1.22.1:*:*:*:*:*:*:*",)
    assert (busybox.evidence[0].path, busybox.evidence[0].offset) == ("/bin/busybox", 16)
    assert busybox.files == ("/bin/busybox",)


def test_a_mention_is_no_presence(device):
    device.add("/usr/bin/wget", program("aa", hint("openssl", "1.0.2k", How.MENTIONS)), 0o755)
    assert found(device) == []


def test_a_file_without_version_takes_the_only_one_that_is_proven(device):
    device.add("/lib/libmbedcrypto.so.3", program("aa", hint("mbedtls", "2.16.0")))
    device.add("/lib/libmbedx509.so.0", program("bb", hint("mbedtls")))
    [mbedtls] = device.facts().components
    assert mbedtls.files == ("/lib/libmbedcrypto.so.3", "/lib/libmbedx509.so.0")


def test_several_versions_stand_side_by_side(device):
    device.add("/lib/libz.so.1", program("aa", hint("zlib", "1.2.8")))
    device.add("/app/cloud", program("bb", hint("zlib", "1.2.11")), 0o755)
    assert [version for _, version, _ in found(device)] == ["1.2.11", "1.2.8"]


def test_a_file_name_gives_the_version_of_a_proven_file_only(device):
    device.add("/lib/libcjson.so.1.7.15", program("aa", hint("cjson")))
    device.add("/opt/libcjson.so.9.9.9", program("bb"))
    assert found(device) == [("cjson", "1.7.15", How.DEFINES)]


def test_the_loader_of_uclibc_is_known_by_its_name(device):
    device.add("/lib/ld-uClibc-0.9.33.2.so", program("aa"))
    assert found(device) == [("uclibc", "0.9.33.2", How.DEFINES)]


def test_a_module_folder_says_which_kernel(device):
    device.node("/lib/modules/3.10.14", NodeKind.DIRECTORY)
    assert found(device) == [("linux-kernel", "3.10.14", How.BUILD_STRING)]


def test_the_header_of_a_kernel_image_says_its_version(device):
    device.volume("kernel.bin", "uimage", name_in_header="Linux-3.10.14")
    assert found(device) == [("linux-kernel", "3.10.14", How.BANNER)]


def test_the_header_of_an_esp32_application_says_its_framework(device):
    device.volume("esp32-0x0", "esp32", **{"IDF version": "v4.4.2-1-gabc"})
    assert found(device) == [("esp-idf", "4.4.2", How.DEFINES)]


OPKG = """Package: dropbear
Version: 2017.75-2
Status: install user installed

Package: luci-theme-bootstrap
Version: git-17.290.79498-d3f0685-1
Status: install user installed

Package: curl
Version: 7.50-1
Status: deinstall ok not-installed
"""


def test_a_package_database_declares_components(device):
    device.file("/usr/lib/opkg/status", OPKG)
    assert found(device) == [
        ("dropbear", "2017.75", How.PACKAGE_DATABASE),
        ("luci-theme-bootstrap", "git-17.290.79498-d3f0685", How.PACKAGE_DATABASE),
    ]


def test_the_package_database_can_be_left_aside(device):
    device.file("/usr/lib/opkg/status", OPKG)
    assert found(device, package_database=False) == []


def test_proof_outweighs_declaration_and_both_are_evidence(device):
    device.file("/usr/lib/opkg/status", OPKG)
    device.add("/usr/sbin/dropbear", program("aa", hint("dropbear", "2017.75")), 0o755)
    [dropbear] = [one for one in device.facts().components if one.name == "dropbear"]
    assert dropbear.how is How.DEFINES
    assert dropbear.revision == "2017.75-2"
    assert [one.path for one in dropbear.evidence] == ["/usr/sbin/dropbear", "/usr/lib/opkg/status"]


def test_a_package_of_another_version_scheme_is_the_same_component(device):
    device.file("/usr/lib/opkg/status", "Package: hostapd-mini\nVersion: 20131120-1\nStatus: install user installed\n")
    device.add("/usr/sbin/wpad", program("aa", hint("hostapd", "2.1-devel")), 0o755)
    [hostapd] = device.facts().components
    assert (hostapd.version, hostapd.revision) == ("2.1-devel", "20131120-1")
    assert hostapd.evidence[1].path == "/usr/lib/opkg/status"


def test_tools_of_a_project_are_not_the_project(device):
    device.file("/usr/lib/opkg/status", "Package: uboot-envtools\nVersion: 2012.04.01-1\nStatus: install installed\n")
    assert found(device) == [("u-boot-tools", "2012.04.01", How.PACKAGE_DATABASE)]


def test_hints_of_a_rule_that_is_gone_are_ignored(device):
    device.add("/bin/x", program("aa", hint("no-such-rule", "1.0")), 0o755)
    assert found(device) == []


def test_what_no_rule_names_is_listed_the_listening_ones_first(device):
    device.add("/bin/big", program("aa", size=90_000), 0o755)
    device.add("/bin/small", program("bb", size=10), 0o755)
    device.add("/bin/daemon", program("cc", imports=("socket", "bind", "listen"), size=20), 0o755)
    device.add("/bin/busybox", program("dd", hint("busybox", "1.22.1")), 0o755)
    unnamed = device.facts().unnamed_programs
    assert unnamed[0] == "/bin/daemon"
    assert set(unnamed) == {"/bin/daemon", "/bin/big", "/bin/small"}


def listed(name: str, version: str = "", **more) -> Component:
    return Component(name=name, version=version, how=How.PACKAGE_DATABASE, confidence=Confidence.MEDIUM, **more)


def proven(name: str, version: str) -> Component:
    return Component(name=name, version=version, how=How.DEFINES, confidence=Confidence.HIGH)


@pytest.mark.parametrize(
    ("supplier", "image", "difference"),
    [
        ([listed("zlib", "1.2.11")], [proven("zlib", "1.2.8")], ("zlib", "version", "1.2.11", "1.2.8")),
        ([], [proven("openssl", "1.0.2k")], ("openssl", "missing", "", "1.0.2k")),
        ([listed("curl", "8.0.0")], [], ("curl", "extra", "8.0.0", "")),
    ],
)
def test_each_kind_of_disagreement_is_told(supplier, image, difference):
    [one] = sbom_differences(supplier, image)
    assert (one.component, one.kind, one.supplier, one.found) == difference


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (listed("libssl1.1", "1.1.1k-1+deb11u1"), proven("openssl", "1.1.1k")),
        (listed("Zlib", "v1.2.11"), proven("zlib", "1.2.11")),
        (listed("x", "2.16.0", cpes=("cpe:2.3:a:arm:mbed_tls:2.16.0:*:*:*:*:*:*:*",)), proven("mbedtls", "2.16.0")),
        (listed("zlib"), proven("zlib", "1.2.11")),
    ],
)
def test_names_and_versions_are_compared_by_meaning(theirs, ours):
    assert sbom_differences([theirs], [ours]) == ()


def test_a_listed_component_that_no_rule_could_find_is_not_called_extra():
    assert sbom_differences([listed("acme-cloud-agent", "1.0")], []) == ()


def test_identifiers_are_quoted_as_their_standards_want():
    assert purl_of("pkg:generic/x", "1.0+git") == "pkg:generic/x@1.0%2Bgit"
    assert cpe_of("a", "v:p", "1.0+git").startswith("cpe:2.3:a:v:p:1.0\\+git:*")
