from typing import Any

import msgspec
import pytest

from customhouse.firmware.checks.flows import CommandFromNetwork, OverflowFromNetwork, is_back_door
from customhouse.model import Confidence, DeviceFacts, Finding, Flow, FlowStep, ProgramFacts, Rehearsed, Severity

FLOW = Flow(
    program="/usr/sbin/debugd",
    architecture="armel",
    source="recvfrom@0x1100",
    sink="system@0x1200",
    kind="command",
    port=41795,
    port_certainty="exact",
    protocol="udp",
    magic="LUMEN_DEBUG_EXEC:",
    command="%s",
    path=(FlowStep(function="main", address=0x1000), FlowStep(function="run", address=0x11F0)),
    started_by=("/etc/inittab", "/etc/init.d/S60debug"),
    at_boot=True,
    user="root",
    confidence=Confidence.HIGH,
)


def with_flow(device: Any, **changes: object) -> DeviceFacts:
    return msgspec.structs.replace(device.facts(), flows=(msgspec.structs.replace(FLOW, **changes),))


def test_a_debug_daemon_that_starts_at_boot_is_critical_and_a_back_door(device: Any) -> None:
    [finding] = CommandFromNetwork().findings(with_flow(device))
    assert finding.severity is Severity.CRITICAL
    assert finding.tags == ("back-door",)
    assert finding.subject == "/usr/sbin/debugd"
    assert "udp 41795" in finding.title
    assert "as root" in finding.title
    for told in ("LUMEN_DEBUG_EXEC:", "/etc/init.d/S60debug", "recvfrom@0x1100", "run at 0x11f0"):
        assert told in finding.detail


def test_a_program_that_nothing_starts_weighs_less_and_is_no_open_door(device: Any) -> None:
    [finding] = CommandFromNetwork().findings(with_flow(device, at_boot=False, started_by=()))
    assert (finding.severity, finding.tags) == (Severity.HIGH, ())
    assert "Nothing that starts it was found" in finding.detail


def test_a_parameter_in_a_command_is_critical_but_no_back_door(device: Any) -> None:
    [finding] = CommandFromNetwork().findings(with_flow(device, command="ping -c 1 %s", magic="GET /ping"))
    assert (finding.severity, finding.tags) == (Severity.CRITICAL, ())


def test_an_overflow_is_high_when_its_program_starts_and_asks_nothing_as_a_command(device: Any) -> None:
    facts = with_flow(device, kind="overflow", sink="strcpy@0x1200", command="")
    assert list(CommandFromNetwork().findings(facts)) == []
    [finding] = OverflowFromNetwork().findings(facts)
    assert (finding.severity, finding.tags) == (Severity.HIGH, ())
    [idle] = OverflowFromNetwork().findings(with_flow(device, kind="overflow", at_boot=False))
    assert idle.severity is Severity.MEDIUM


def test_low_confidence_is_not_reported(device: Any) -> None:
    assert list(CommandFromNetwork().findings(with_flow(device, confidence=Confidence.LOW))) == []
    assert list(OverflowFromNetwork().findings(with_flow(device, kind="overflow", confidence=Confidence.LOW))) == []


@pytest.mark.parametrize(
    ("magic", "command", "door"),
    [
        ("", "%s", True),
        ("RUN ", "(%s) 2>&1", True),
        ("", "/bin/sh -c '%s' # from %s", True),
        ("/ping?host=", "/bin/ping -c 1 %s", False),
        ("<NewDownloadURL>", "upg -U %s", False),
        ("downloadfirmware", "wget %s", False),
        ('"host_address"', "ping %s", False),
        ("System.TimeZone", "echo %s > /etc/TZ", False),
        ("ddns_hostname", "ping %s", False),
        ("QBT7 … Maker_Debug_2014", "killall %s", False),
        ("\x12\x34QBTX\x00\x00\x00\x00\x00\x01", "killall %s", False),
        ("Maker_Debug_2014", "killall %s", True),
        ("BackdoorPacketCmdLine_Req", "sh -c '%s'", True),
        ("RUN ", "killall %s", False),
        ("SOAPAction: urn:x#Upgrade", "upg -U %s", False),
        ("POST /apply.cgi HTTP/1.1", "ntpclient %s", False),
        ("", "ping %s", False),
        ("", "", False),
    ],
)
def test_only_a_whole_command_or_a_hidden_word_is_a_back_door(magic: str, command: str, door: bool) -> None:
    assert is_back_door(msgspec.structs.replace(FLOW, magic=magic, command=command)) is door


def test_medium_confidence_is_reported_but_never_called_a_back_door(device: Any) -> None:
    [finding] = CommandFromNetwork().findings(with_flow(device, confidence=Confidence.MEDIUM))
    assert isinstance(finding, Finding)
    assert (finding.confidence, finding.tags) == (Confidence.MEDIUM, ())


def test_flows_reach_the_check_through_the_real_link_step(device: Any) -> None:
    device.elf("/bin/d", program=ProgramFacts(flows=(msgspec.structs.replace(FLOW, program="", at_boot=False),)))
    [finding] = CommandFromNetwork().findings(device.facts())
    assert finding.subject == "/bin/d"


def test_a_command_of_several_parts_is_not_said_to_be_what_was_received(device: Any) -> None:
    [finding] = CommandFromNetwork().findings(with_flow(device, command="%s %s %s", magic=""))
    assert "puts what it receives" in finding.title
    assert finding.tags == ()


def test_a_library_is_named_as_one_and_is_no_back_door(device: Any) -> None:
    [finding] = CommandFromNetwork().findings(with_flow(device, program="/lib/libcmd.so.1.2"))
    assert finding.title.startswith("The library /lib/libcmd.so.1.2 ")
    assert "Loaded by /etc/inittab" in finding.detail
    assert (finding.severity, finding.tags) == (Severity.HIGH, ())
    alone = {"program": "/lib/libcmd.so", "at_boot": False, "started_by": (), "port": None}
    [idle] = CommandFromNetwork().findings(with_flow(device, **alone))
    assert idle.severity is Severity.MEDIUM
    assert "No program that boot starts was seen to load it" in idle.detail


def test_an_overflow_that_nothing_starts_and_no_port_leads_to_weighs_least(device: Any) -> None:
    flow = {"kind": "overflow", "sink": "memcpy@0x1", "at_boot": False, "started_by": (), "port": None}
    [finding] = OverflowFromNetwork().findings(with_flow(device, **flow))
    assert finding.severity is Severity.LOW


def test_two_ways_to_one_place_are_one_finding(device: Any) -> None:
    facts = with_flow(device)
    other = msgspec.structs.replace(FLOW, source="recv@0x9999", port=None)
    both = msgspec.structs.replace(facts, flows=(other, *facts.flows))
    [finding] = CommandFromNetwork().findings(both)
    assert "udp 41795" in finding.title
    assert "So do recv@0x9999." in finding.detail


def test_without_a_port_and_a_start_the_network_is_not_certain(device: Any) -> None:
    [finding] = CommandFromNetwork().findings(with_flow(device, at_boot=False, started_by=(), port=None))
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, Confidence.MEDIUM)
    assert "from a neighbour is open" in finding.detail


@pytest.mark.parametrize(
    ("kind", "sink", "told"),
    [
        ("command", "system@0x1200", "bytes on which a shell acts come through"),
        ("overflow", "strcpy@0x1200", "more is copied than there is room for"),
        ("overflow", "return@0x1200", "a function goes back to an address that was sent"),
    ],
)
def test_what_runs_confirmed_is_said_in_its_own_words(device: Any, kind: str, sink: str, told: str) -> None:
    check = CommandFromNetwork() if kind == "command" else OverflowFromNetwork()
    said = f"Runs of the program in the emulator confirm it: {told}."
    [finding] = check.findings(with_flow(device, kind=kind, sink=sink, rehearsed=Rehearsed.CONFIRMED))
    assert said in finding.detail
    [unsaid] = check.findings(with_flow(device, kind=kind, sink=sink, rehearsed=Rehearsed.NOT_REACHED))
    assert "emulator" not in unsaid.detail
