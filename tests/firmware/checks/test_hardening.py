"""One finding for all programs that lack mitigations."""

import msgspec
from tests.firmware.conftest import MadeDevice

from customhouse.firmware.checks.hardening import NetworkHardening, ProgramHardening
from customhouse.model import DeviceFacts, Hardening, Severity

HARD = Hardening(program="/bin/a", nx=True, pie=True, relro="full", canary=True, fortify=True, network_facing=True)
SOFT = msgspec.structs.replace(HARD, nx=False, pie=False, relro="none", canary=False, fortify=False)


def _device(made: MadeDevice, *hardening: Hardening) -> DeviceFacts:
    return msgspec.structs.replace(made.facts(), hardening=hardening)


def test_many_soft_programs_are_one_finding_that_lists_the_worst_first(device: MadeDevice) -> None:
    soft = [msgspec.structs.replace(SOFT, program=f"/bin/p{n:03}") for n in range(300)]
    no_pie = msgspec.structs.replace(HARD, program="/bin/0", pie=False)
    [finding] = NetworkHardening().findings(_device(device, no_pie, HARD, *soft))
    assert finding.severity is Severity.MEDIUM
    assert finding.title == "301 of 302 programs that the network can reach lack exploit mitigations"
    assert finding.detail.startswith("/bin/p000: no NX, stack canary, PIE, RELRO; /bin/p001")
    assert finding.detail.endswith("and 286 more")


def test_missing_pie_alone_is_a_note(device: MadeDevice) -> None:
    [finding] = NetworkHardening().findings(_device(device, msgspec.structs.replace(HARD, pie=False)))
    assert finding.severity is Severity.LOW


def test_hard_programs_give_no_reason(device: MadeDevice) -> None:
    assert not list(NetworkHardening().findings(_device(device, HARD)))
    assert not list(ProgramHardening().findings(_device(device, HARD)))


def test_programs_off_the_network_are_their_own_finding(device: MadeDevice) -> None:
    local = msgspec.structs.replace(SOFT, network_facing=False)
    [finding] = ProgramHardening().findings(_device(device, local, HARD))
    assert finding.severity is Severity.LOW
    assert not list(NetworkHardening().findings(_device(device, local, HARD)))
