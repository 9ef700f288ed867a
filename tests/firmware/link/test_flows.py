from typing import Any

import msgspec
import pytest

from customhouse.firmware.link.files import files_of
from customhouse.firmware.link.flows import ProgramFlows, program_flows
from customhouse.model import (
    Confidence,
    ConstructedCommand,
    Flow,
    FlowStep,
    Outcome,
    ProgramFacts,
    Service,
)

FLOW = Flow(
    program="",
    architecture="mipsel",
    source="recvfrom@0x400a10",
    sink="system@0x400b20",
    kind="command",
    port=9999,
    port_certainty="exact",
    protocol="udp",
    command="%s",
    path=(FlowStep(function="main", address=0x400A00),),
    confidence=Confidence.HIGH,
)


def joined(device: Any, *services: Service) -> ProgramFlows:
    tree = device.tree()
    return program_flows(files_of(tree, device.known), tree, device.known, services)


def test_a_flow_is_told_with_its_path_and_what_starts_it_through_symlinks(device: Any) -> None:
    device.elf("/opt/vendor/debugd-2", program=ProgramFacts(flows=(FLOW,)))
    device.link("/usr/sbin/debugd", "../../opt/vendor/debugd-2")
    start = Service(
        kind="debug", program="/usr/sbin/debugd", started_by=("/etc/inittab", "/etc/rc"), at_boot=True, user="nobody"
    )
    [flow] = joined(device, start).flows
    assert flow.program == "/opt/vendor/debugd-2"
    assert (flow.started_by, flow.user, flow.at_boot) == (("/etc/inittab", "/etc/rc"), "nobody", True)
    assert flow.evidence[0].path == "/opt/vendor/debugd-2"
    assert flow.evidence[0].digest == device.nodes["/opt/vendor/debugd-2"].digest


def test_a_flow_of_a_program_that_nothing_starts_says_so(device: Any) -> None:
    device.elf("/usr/bin/left-over", program=ProgramFacts(flows=(FLOW,)))
    [flow] = joined(device).flows
    assert (flow.program, flow.started_by, flow.at_boot) == ("/usr/bin/left-over", (), False)


def test_a_start_at_boot_wins_over_one_that_waits(device: Any) -> None:
    device.elf("/sbin/x", program=ProgramFacts(flows=(FLOW,)))
    later = Service(kind="other", program="/sbin/x", started_by=("/etc/a",), at_boot=False)
    boot = Service(kind="other", program="/sbin/x", started_by=("/etc/rc",), at_boot=True)
    [flow] = joined(device, later, boot).flows
    assert (flow.started_by, flow.at_boot) == (("/etc/rc",), True)


def test_a_flow_in_a_library_starts_with_the_program_that_loads_it(device: Any) -> None:
    device.elf("/lib/libdev.so.1", type="dyn", soname="libdev.so.1", program=ProgramFacts(flows=(FLOW,)))
    device.elf("/sbin/daemon", needed=("libdev.so.1", "libc.so.6"))
    start = Service(kind="other", program="/sbin/daemon", started_by=("/etc/rc",), at_boot=True)
    [flow] = joined(device, start).flows
    assert (flow.program, flow.started_by) == ("/lib/libdev.so.1", ("/etc/rc", "/sbin/daemon"))


def test_a_cgi_program_is_started_by_the_web_server(device: Any) -> None:
    cgi = msgspec.structs.replace(FLOW, source="getenv@0x1000", port=None)
    device.elf("/www/cgi-bin/apply.cgi", program=ProgramFacts(flows=(cgi,)))
    device.elf("/usr/sbin/httpd")
    web = Service(kind="http", program="/usr/sbin/httpd", started_by=("/etc/rc",), at_boot=True, user="www")
    [flow] = joined(device, web).flows
    assert (flow.started_by, flow.user, flow.at_boot) == (("/etc/rc", "/usr/sbin/httpd"), "www", True)
    [alone] = joined(device).flows
    assert not alone.at_boot


def test_constructed_commands_get_the_path_and_their_format_as_excerpt(device: Any) -> None:
    made = ConstructedCommand(program="", sink="system", address=0x1234, format="upg -U %s", inputs=("unknown",))
    device.elf("/bin/upnp", program=ProgramFacts(constructed_commands=(made,)))
    [command] = joined(device).constructed_commands
    assert command.program == "/bin/upnp"
    assert (command.evidence[0].address, command.evidence[0].excerpt) == (0x1234, "upg -U %s")


@pytest.mark.parametrize("outcome", [Outcome.PARTIAL, Outcome.UNSUPPORTED, Outcome.SKIPPED])
def test_a_program_that_was_not_read_in_full_is_named(device: Any, outcome: Outcome) -> None:
    device.elf("/bin/big", program=ProgramFacts(outcome=outcome, why="budget of 60 s"))
    device.elf("/bin/small", program=ProgramFacts())
    [left] = joined(device).not_examined
    assert (left.what, left.outcome, left.why) == ("/bin/big", outcome.value, "budget of 60 s")


def test_a_flow_names_the_architecture_as_the_rest_of_the_dossier_does(device: Any) -> None:
    device.elf("/sbin/x", architecture="armhf", program=ProgramFacts(flows=(FLOW,)))
    [flow] = joined(device).flows
    assert flow.architecture == "armhf"


def test_a_program_that_was_read_without_its_library_says_so(device: Any) -> None:
    cut = ProgramFacts(outcome=Outcome.PARTIAL, why="the time for this program ran out")
    device.elf("/lib/libvendor.so", type="dyn", soname="libvendor.so", exports=("doSystem",), program=cut)
    device.elf("/lib/libfine.so", type="dyn", soname="libfine.so", exports=("doSystem",), program=ProgramFacts())
    read = ProgramFacts()
    device.elf("/sbin/daemon", needed=("libvendor.so",), imports=("doSystem",), program=read)
    device.elf("/sbin/other", needed=("libvendor.so",), imports=("strlen",), program=read)
    device.elf("/sbin/third", needed=("libfine.so",), imports=("doSystem",), program=read)
    told = {one.what: (one.outcome, one.why) for one in joined(device).not_examined}
    assert told == {
        "/lib/libvendor.so": ("partial", "the time for this program ran out"),
        "/sbin/daemon": ("partial", "a library that it uses was not read in full: /lib/libvendor.so"),
    }
