"""Elements written straight to the kernel are what nft would have written, all of them or none."""

import json
import time

import pytest
from tests.gateway.house.conftest import Gateway
from tests.gateway.house.test_containment import CLOUD, LOCAL, hold, out
from tests.gateway.house.world import World, device, house

from customhouse.gateway.kernel.direct import PROLONGS, hand_over, prolongs, speakable
from customhouse.gateway.ruleset.compile import Delta, compile_ruleset, diff
from customhouse.gateway.ruleset.element import Entry, Place, mark_of
from customhouse.gateway.ruleset.house import House, LearnedName
from customhouse.gateway.ruleset.render import render_delta
from customhouse.model.profile import Peer, PeerKind, PortRange

pytestmark = pytest.mark.namespaces


def listing(world: World) -> list[object]:
    """Both tables' elements as nft shows them, without times that run."""
    found: list[object] = []
    for family in ("inet", "bridge"):
        for item in json.loads(world.run("gw", "nft", "-j", "list", "table", family, "customhouse"))["nftables"]:
            for kind, body in item.items():
                if kind in ("set", "map") and "elem" in body and not body["name"].startswith("blocked"):
                    text = sorted(json.dumps(plain(element), sort_keys=True) for element in body["elem"])
                    found.append((family, body["name"], text))
    return sorted(found, key=str)


def plain(element: object) -> object:
    if isinstance(element, dict):
        return {key: plain(value) for key, value in element.items() if key not in ("expires", "timeout")}
    return [plain(each) for each in element] if isinstance(element, list) else element


def everything() -> tuple[House, House]:
    by_source_port = out(CLOUD, "udp")
    wide = Peer(kind=PeerKind.SAME_MANUFACTURER)
    end = int(time.time()) + 500
    names = tuple(
        LearnedName(device="a", name="cloud.example", address=a, until=end) for a in ("9.9.9.9", "2620:fe::9")
    )
    aces = (out(CLOUD, "tcp", 443), out(LOCAL, "udp", 80), out(wide, "tcp", 81),
            by_source_port.__class__(name="s", direction="from-device", peer=CLOUD, protocol="udp",
                                     local_ports=(PortRange(first=5, last=5),)))  # fmt: skip
    full = house(device("a", 1, aces=aces, manufacturer="m.example"), device("b", 2, quarantined=True), names=names)
    return house(device("b", 2, learning=True)), full


def test_both_ways_come_to_the_same(world: World, gateway: Gateway) -> None:
    before, after = everything()
    delta = diff(compile_ruleset(before), compile_ruleset(after))
    assert speakable(delta)
    gateway.replace(compile_ruleset(before))
    world.run("gw", "nft", "-j", "-f", "-", given=json.dumps(render_delta(delta, time.time())))
    by_nft = listing(world)
    gateway.replace(compile_ruleset(before))
    with world.inside("gw"):
        hand_over(delta, time.time())
    assert listing(world) == by_nft
    back = diff(compile_ruleset(after), compile_ruleset(before))
    with world.inside("gw"):
        hand_over(back, time.time())
    kept = listing(world)
    gateway.replace(compile_ruleset(before))
    assert kept == listing(world)


def test_one_element_that_does_not_fit_spoils_all(world: World, gateway: Gateway) -> None:
    hold(gateway, device("a", 1))
    before = listing(world)
    place = Place("inet", "out_dport4")
    good = {(mark_of(1), "9.9.9.9", 6, port): Entry("return") for port in range(400)}
    bad = {(mark_of(1), "9.9.9.9", 6, 443): Entry("goto:no_such_chain")}
    with world.inside("gw"), pytest.raises(OSError):
        hand_over(Delta(add={place: good | bad}, remove={}), time.time())
    assert listing(world) == before


def test_a_lot_of_elements_go_in_one_transaction(world: World, gateway: Gateway) -> None:
    hold(gateway, device("a", 1))
    many = {(mark_of(1), f"198.18.{n >> 8}.{n & 255}", 17, 9): Entry("return") for n in range(4000)}
    delta = Delta(add={Place("inet", "out_dport4"): many}, remove={})
    assert speakable(delta)
    with world.inside("gw"):
        hand_over(delta, time.time())
    [[_, _, found]] = [item for item in listing(world) if item[1] == "out_dport4"]  # type: ignore[index]
    assert len(found) == 4000


def test_a_longer_end_is_told_without_a_removal(world: World, gateway: Gateway) -> None:
    if not PROLONGS:
        pytest.skip("this kernel cannot prolong an element; it is removed and added")
    aces = (out(CLOUD, "tcp", 443),)
    intent = hold(gateway, device("a", 1, aces=aces))

    def learn(seconds: int) -> float:
        until = int(time.time()) + seconds
        delta = intent.learn([LearnedName(device="a", name="cloud.example", address="9.9.9.9", until=until)])
        began = time.perf_counter()
        gateway.apply(delta)
        return time.perf_counter() - began

    learn(100)
    took = sorted(learn(200 + number) for number in range(40))
    assert took[20] < 0.005, "the kernel waited for all processors"
    assert gateway.drift(intent.ruleset) == ()
    listed = json.loads(world.run("gw", "nft", "-j", "list", "map", "inet", "customhouse", "out_dport4"))
    [element] = next(item["map"]["elem"] for item in listed["nftables"] if "map" in item)
    assert 230 <= element[0]["elem"]["expires"] <= 240  # a map lists pairs


@pytest.mark.parametrize("in_place", [False, True])
def test_either_way_of_prolonging_holds_to_the_later_end(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    if in_place and not PROLONGS:
        pytest.skip("this kernel cannot prolong an element")
    monkeypatch.setattr("customhouse.gateway.kernel.direct.PROLONGS", in_place)
    intent = hold(gateway, device("a", 1, aces=(out(CLOUD, "udp", 4000),)))
    for seconds in (2, 30):
        until = int(time.time()) + seconds
        gateway.apply(intent.learn([LearnedName(device="a", name="cloud.example", address="9.9.9.9", until=until)]))
    time.sleep(3.2)
    assert world.udp("a", "9.9.9.9", 4000)
    assert gateway.drift(intent.ruleset) == ()


def test_kernels_that_prolong_are_told_from_those_that_do_not() -> None:
    assert [prolongs(r) for r in ("6.18.44-x", "6.12.0", "7.0", "6.11.9", "5.15.0-generic", "odd")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
