"""Supplier's list, kernel and modules, second copies, and what nobody could name."""

import hashlib

from customhouse.firmware.checks.components import KernelDisagrees, SbomDisagrees, SeveralVersions, UnnamedPrograms
from customhouse.model import (
    Component,
    ComponentFacts,
    ComponentHint,
    Confidence,
    DeviceFacts,
    Digest,
    Evidence,
    FileFacts,
    FileKind,
    FileTree,
    How,
    ImagePath,
    SbomDifference,
    Severity,
)


def component(name: str, version: str, how: How = How.DEFINES, path: str = "/lib/x.so") -> Component:
    place = Evidence(path=ImagePath(path))
    return Component(name=name, version=version, how=how, confidence=Confidence.HIGH, evidence=(place,), files=(path,))


def made_of(*components: Component, **more: object) -> DeviceFacts:
    return DeviceFacts(tree=FileTree(), facts={}, components=components, **more)


def test_a_component_that_the_supplier_does_not_list_is_a_finding_with_evidence():
    given = made_of(
        component("openssl", "1.0.2k", path="/usr/lib/libssl.so.1.0.0"),
        sbom_differences=(SbomDifference(component="openssl", kind="missing", found="1.0.2k"),),
    )
    [finding] = SbomDisagrees().findings(given)
    assert finding.title == "The image holds openssl 1.0.2k, which the supplier's SBOM does not list"
    assert finding.evidence[0].path == "/usr/lib/libssl.so.1.0.0"


def test_an_entry_too_many_weighs_less_than_a_wrong_version():
    given = made_of(
        sbom_differences=(
            SbomDifference(component="curl", kind="extra", supplier="8.0.0"),
            SbomDifference(component="zlib", kind="version", supplier="1.3", found="1.2.8"),
        )
    )
    extra, wrong = SbomDisagrees().findings(given)
    assert (extra.severity, wrong.severity) == (Severity.LOW, Severity.MEDIUM)


def test_no_difference_is_no_finding():
    assert list(SbomDisagrees().findings(made_of(component("zlib", "1.3")))) == []


def module(made, path: str, version: str) -> None:
    said = ComponentHint(rule="linux-kernel", how=How.BUILD_STRING, version=version, excerpt=f"vermagic={version} ")
    digest = Digest(hashlib.sha256(path.encode()).hexdigest())
    facts = FileFacts(digest=digest, size=1, kind=FileKind.KERNEL_MODULE, components=ComponentFacts(hints=(said,)))
    made.add(path, facts)


def kernel(made, version: str) -> None:
    made.volume("kernel.bin", "uimage", header_name=f"Linux-{version}")


def test_modules_of_another_kernel_are_found_and_make_no_second_kernel(device):
    kernel(device, "3.4.35")
    module(device, "/lib/modules/wifi.ko", "3.4.43")
    facts = device.facts()
    [finding] = KernelDisagrees().findings(facts)
    assert finding.title == "The kernel is 3.4.35, but modules are built for 3.4.43"
    assert finding.evidence[-1].path == "/lib/modules/wifi.ko"
    assert [one.version for one in facts.components] == ["3.4.35"]


def test_modules_of_the_same_kernel_are_not_a_finding(device):
    kernel(device, "3.4.35")
    module(device, "/lib/modules/wifi.ko", "3.4.35")
    assert list(KernelDisagrees().findings(device.facts())) == []


def test_a_kernel_whose_modules_agree_is_not():
    assert list(KernelDisagrees().findings(made_of(component("linux-kernel", "3.10.14")))) == []


def test_modules_without_a_kernel_in_the_image_are_not():
    given = made_of(component("linux-kernel", "3.10.14", How.BUILD_STRING))
    assert list(KernelDisagrees().findings(given)) == []


def test_two_copies_of_a_library_are_one_finding():
    given = made_of(
        component("zlib", "1.2.8"), component("zlib", "1.2.11", path="/app/cloud"), component("curl", "8.1")
    )
    [finding] = SeveralVersions().findings(given)
    assert finding.subject == "zlib"
    assert "1.2.11, 1.2.8" in finding.title


def test_programs_that_nobody_named_are_listed():
    [finding] = UnnamedPrograms().findings(made_of(unnamed_programs=("/usr/bin/ipcamd", "/bin/x")))
    assert finding.severity is Severity.INFO
    assert "/usr/bin/ipcamd, /bin/x" in finding.detail


def test_a_device_of_known_programs_only_has_none():
    assert list(UnnamedPrograms().findings(made_of())) == []
