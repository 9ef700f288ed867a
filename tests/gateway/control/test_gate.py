"""The gate's decisions, with a kernel that only remembers."""

import asyncio
from pathlib import Path

import pytest

from customhouse.gateway.arrival.dhcp import DISCOVER, Claim
from customhouse.gateway.arrival.portmap import PortRequest
from customhouse.gateway.control.config import parse_config
from customhouse.gateway.control.gate import Gate
from customhouse.gateway.control.state import State
from customhouse.gateway.kernel.kernel import RulesetRefused
from customhouse.gateway.names.nouns import Learned, Refusal
from customhouse.model import Ace, DeviceProfile, Identity, Peer, PeerKind, PortRange, ProfileSource

from .conftest import CONFIG, Clock, FakeKernel

CAMERA = "02:00:00:00:00:01"
ADDRESS = "93.184.216.34"


def ace(host: str) -> Ace:
    return Ace(
        name=f"to {host}",
        direction="from-device",
        peer=Peer(kind=PeerKind.DNS_NAME, value=host),
        protocol="tcp",
        ports=(PortRange(first=443, last=443),),
        initiated_by="device",
    )


PROFILE = DeviceProfile(
    identity=Identity(mud_url="https://mud.example.com/camera.json"),
    source=ProfileSource(kind="mud"),
    aces=(ace("cloud.example.org"), ace("update.example.org")),
)


def test_a_new_device_is_held_with_nothing_allowed(gate: Gate) -> None:
    assert asyncio.run(gate.arrived(CAMERA, "192.168.20.9"))
    assert gate.device_of("192.168.20.9") == CAMERA
    assert not gate.permitted(CAMERA, "cloud.example.org").allowed
    [device] = gate.house().devices
    assert device.aces == ()


def test_a_proposed_profile_allows_nothing_until_it_is_approved(gate: Gate) -> None:
    async def scene() -> None:
        await gate.arrived(CAMERA)
        gate.propose(CAMERA, PROFILE)
        assert not gate.permitted(CAMERA, "cloud.example.org").allowed
        await gate.approve_profile(CAMERA, only=["to cloud.example.org"])
        assert gate.permitted(CAMERA, "cloud.example.org").allowed
        assert not gate.permitted(CAMERA, "update.example.org").allowed
        assert gate.state.find(CAMERA).pinned_url == "https://mud.example.com/camera.json"

    asyncio.run(scene())


def test_memory_comes_before_the_kernel_and_keeps_what_the_kernel_refused(gate: Gate, kernel: FakeKernel) -> None:
    async def scene() -> None:
        await gate.arrived(CAMERA)
        kernel.broken = True
        with pytest.raises(RulesetRefused):
            await gate.approve_host(CAMERA, ADDRESS)
        assert [a.ace.peer.value for a in gate.state.approvals(gate._clock())] == [f"{ADDRESS}/32"]
        kernel.broken, kernel.wrong = False, ("a table of ours is gone",)
        assert await gate.tick() == ("a table of ours is gone",)
        assert kernel.calls[-1] == "replace"

    asyncio.run(scene())


def test_a_delta_that_the_kernel_refuses_becomes_the_whole_ruleset(gate: Gate, kernel: FakeKernel) -> None:
    async def scene() -> None:
        await gate.arrived(CAMERA)
        kernel.refuse = True
        await gate.approve_host(CAMERA, ADDRESS)
        assert kernel.calls[-1] == "replace"

    asyncio.run(scene())


def test_approvals_and_names_survive_a_restart(gate: Gate, kernel: FakeKernel, clock: Clock, state_path: Path) -> None:
    async def scene() -> None:
        await gate.arrived(CAMERA, "192.168.20.9")
        await gate.approve_host(CAMERA, "cloud.example.org")
        await gate.learn_names((Learned(CAMERA, "cloud.example.org", ADDRESS, 300),))

    asyncio.run(scene())
    again = Gate(parse_config(CONFIG), State(state_path), FakeKernel(), clock)
    assert again.permitted(CAMERA, "cloud.example.org").allowed
    assert again.device_of("192.168.20.9") == CAMERA
    assert [(n.device, n.address) for n in again.house().names] == [(CAMERA, ADDRESS)]
    again.close()


def test_an_approval_ends_in_its_time_and_its_flows_with_it(gate: Gate, kernel: FakeKernel, clock: Clock) -> None:
    async def scene() -> None:
        await gate.arrived(CAMERA)
        await gate.approve_host(CAMERA, "cloud.example.org", seconds=3600)
        clock.now += 3601
        await gate.tick()
        assert not gate.permitted(CAMERA, "cloud.example.org").allowed
        assert kernel.cuts == [gate.state.find(CAMERA).number]

    asyncio.run(scene())


def test_quarantine_beats_every_approval_and_release_brings_them_back(gate: Gate, kernel: FakeKernel) -> None:
    async def scene() -> None:
        await gate.arrived(CAMERA)
        await gate.approve_host(CAMERA, "cloud.example.org")
        await gate.learn_names((Learned(CAMERA, "cloud.example.org", ADDRESS, 300),))
        await gate.quarantine(CAMERA, "scans its neighbours")
        assert not gate.permitted(CAMERA, "cloud.example.org").allowed
        [device] = gate.house().devices
        assert device.quarantined and gate.house().names == ()
        assert kernel.cuts
        with pytest.raises(PermissionError):
            await gate.learn_names((Learned(CAMERA, "cloud.example.org", ADDRESS, 300),))
        await gate.release(CAMERA)
        assert gate.permitted(CAMERA, "cloud.example.org").allowed

    asyncio.run(scene())


def test_denying_a_host_closes_what_was_looked_up_by_it(gate: Gate) -> None:
    async def scene() -> None:
        await gate.arrived(CAMERA)
        await gate.approve_host(CAMERA, "cloud.example.org")
        await gate.learn_names((Learned(CAMERA, "cloud.example.org", ADDRESS, 300),))
        await gate.deny(CAMERA, "cloud.example.org")
        assert gate.house().names == ()
        assert not gate.permitted(CAMERA, "cloud.example.org").allowed

    asyncio.run(scene())


def test_the_dns_proxy_is_told_to_forget_when_grants_change(gate: Gate) -> None:
    forgotten: list[str] = []
    gate.on_change = forgotten.append

    async def scene() -> None:
        await gate.arrived(CAMERA)
        await gate.quarantine(CAMERA, "x")

    asyncio.run(scene())
    assert forgotten == [CAMERA]


def test_a_refused_name_waits_for_the_owner_and_can_be_undone(gate: Gate) -> None:
    async def scene() -> None:
        await gate.arrived(CAMERA)
        gate.refused(Refusal(CAMERA, "time.example.org", "not declared"))
        [request] = gate.state.requests()
        await gate.approve_request(request.id)
        assert gate.permitted(CAMERA, "time.example.org").allowed
        assert gate.state.requests() == []

    asyncio.run(scene())


def test_an_open_port_is_approved_for_a_limited_time_only(gate: Gate, clock: Clock) -> None:
    async def scene() -> None:
        await gate.arrived(CAMERA)
        gate.port_wanted(CAMERA, PortRequest("tcp", 554, 8554, 0, "UPnP"))
        [request] = gate.state.requests()
        await gate.approve_request(request.id)
        [approval] = gate.state.approvals(clock())
        assert approval.ace.direction == "to-device"
        assert approval.until == clock.now + 24 * 3600

    asyncio.run(scene())


def test_a_profile_url_is_a_claim_and_a_changed_one_is_asked_about(gate: Gate) -> None:
    def claim(url: str) -> Claim:
        return Claim(CAMERA, DISCOVER, "ipcam", "", url, "")

    async def scene() -> None:
        await gate.claimed(claim("https://mud.example.com/camera.json"))
        gate.propose(CAMERA, PROFILE)
        await gate.approve_profile(CAMERA)
        await gate.claimed(claim("https://evil.example.net/all.json"))
        assert gate.state.find(CAMERA).pinned_url == "https://mud.example.com/camera.json"
        assert any("changed from" in request.detail for request in gate.state.requests())

    asyncio.run(scene())


def test_the_owner_is_told_why_and_what_stops_working(gate: Gate) -> None:
    async def scene() -> None:
        await gate.arrived(CAMERA)
        gate.rename(CAMERA, "Garden")
        gate.refused(Refusal(CAMERA, "tracker.example.net", "not declared"))
        gate.propose(CAMERA, PROFILE)
        assert "blocked since" in gate.explain("garden", "tracker.example.net").text
        assert "maker declares this host" in gate.explain("garden", "cloud.example.org").text
        await gate.approve_profile(CAMERA)
        allowed = gate.explain("garden", "cloud.example.org")
        assert allowed.allowed and "tcp port 443" in allowed.text
        await gate.quarantine(CAMERA, "it scans its neighbours")
        assert "it scans its neighbours" in gate.explain("garden", "cloud.example.org").text

    asyncio.run(scene())
