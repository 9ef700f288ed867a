"""Supplier's list, kernel and modules, second copies, and what nobody could name."""

from customhouse.firmware.checks.components import KernelDisagrees, SbomDisagrees, SeveralVersions, UnnamedPrograms
from customhouse.model import (
    Component,
    Confidence,
    DeviceFacts,
    Evidence,
    FileTree,
    How,
    ImagePath,
    SbomDifference,
    Severity,
)


def component(name: str, version: str, how: How = How.DEFINES, path: str = "/lib/x.so") -> Component:
    place = Evidence(path=ImagePath(path))
    return Component(name=name, version=version, how=how, confidence=Confidence.HIGH, evidence=(place,), files=(path,))


def device(*components: Component, **more: object) -> DeviceFacts:
    return DeviceFacts(tree=FileTree(), facts={}, components=components, **more)


def test_a_component_that_the_supplier_does_not_list_is_a_finding_with_evidence():
    given = device(
        component("openssl", "1.0.2k", path="/usr/lib/libssl.so.1.0.0"),
        sbom_differences=(SbomDifference(component="openssl", kind="missing", found="1.0.2k"),),
    )
    [finding] = SbomDisagrees().findings(given)
    assert finding.title == "The image holds openssl 1.0.2k, which the supplier's SBOM does not list"
    assert finding.evidence[0].path == "/usr/lib/libssl.so.1.0.0"


def test_an_entry_too_many_weighs_less_than_a_wrong_version():
    given = device(
        sbom_differences=(
            SbomDifference(component="curl", kind="extra", supplier="8.0.0"),
            SbomDifference(component="zlib", kind="version", supplier="1.3", found="1.2.8"),
        )
    )
    extra, wrong = SbomDisagrees().findings(given)
    assert (extra.severity, wrong.severity) == (Severity.LOW, Severity.MEDIUM)


def test_no_difference_is_no_finding():
    assert list(SbomDisagrees().findings(device(component("zlib", "1.3")))) == []


def test_modules_of_another_kernel_are_found():
    given = device(
        component("linux-kernel", "3.10.14"), component("linux-kernel", "2.6.31", How.BUILD_STRING, "/lib/modules/a.ko")
    )
    [finding] = KernelDisagrees().findings(given)
    assert "3.10.14" in finding.title
    assert "2.6.31" in finding.title


def test_a_kernel_whose_modules_agree_is_not():
    assert list(KernelDisagrees().findings(device(component("linux-kernel", "3.10.14")))) == []


def test_modules_without_a_kernel_in_the_image_are_not():
    given = device(component("linux-kernel", "3.10.14", How.BUILD_STRING))
    assert list(KernelDisagrees().findings(given)) == []


def test_two_copies_of_a_library_are_one_finding():
    given = device(component("zlib", "1.2.8"), component("zlib", "1.2.11", path="/app/cloud"), component("curl", "8.1"))
    [finding] = SeveralVersions().findings(given)
    assert finding.subject == "zlib"
    assert "1.2.11, 1.2.8" in finding.title


def test_programs_that_nobody_named_are_listed():
    [finding] = UnnamedPrograms().findings(device(unnamed_programs=("/usr/bin/ipcamd", "/bin/x")))
    assert finding.severity is Severity.INFO
    assert "/usr/bin/ipcamd, /bin/x" in finding.detail


def test_a_device_of_known_programs_only_has_none():
    assert list(UnnamedPrograms().findings(device())) == []
