"""Mitigations of programs, the reachable ones first."""

from tests.firmware.conftest import MadeDevice

from customhouse.model import ContentFacts


def test_programs_that_listen_come_first_and_libraries_not_at_all(device: MadeDevice) -> None:
    device.elf("/usr/bin/aaa", imports=("printf",))
    device.elf(
        "/usr/bin/served", imports=("bind", "listen"), nx=True, pie=True, relro="full", canary=True, fortify=True
    )
    device.elf("/lib/libx.so", type="dyn", soname="libx.so", interpreter="/lib/ld.so")
    device.elf("/lib/libc-2.16.so", type="dyn", interpreter="/lib/ld.so")
    served, plain = device.facts().hardening
    assert (served.program, served.network_facing, served.nx, served.relro) == ("/usr/bin/served", True, True, "full")
    assert (plain.program, plain.network_facing, plain.nx) == ("/usr/bin/aaa", False, False)


def test_a_position_independent_program_is_a_program(device: MadeDevice) -> None:
    device.elf("/usr/bin/pie", type="dyn", interpreter="/lib/ld.so", pie=True)
    assert [h.program for h in device.facts().hardening] == ["/usr/bin/pie"]


def test_a_static_program_without_symbols_is_judged_by_its_messages(device: MadeDevice) -> None:
    content = ContentFacts(markers={"stack-protector": (7,), "fortify": (9,)})
    device.elf("/bin/quiet", is_static=True, content=content)
    device.elf("/bin/plain", is_static=True)
    plain, quiet = device.facts().hardening
    assert (plain.canary, plain.fortify) == (False, False)
    assert (quiet.canary, quiet.fortify) == (True, True)
