"""The ruleset is a value: golden elements, deltas that add up, and chains that do not grow with the house."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.ruleset.boxes import disjoint
from customhouse.gateway.ruleset.compile import Delta, Held, compile_ruleset, diff
from customhouse.gateway.ruleset.element import HALF, Entry, Place, mark_of
from customhouse.gateway.ruleset.explain import described_changes
from customhouse.gateway.ruleset.house import Device, House, LearnedName, Segment
from customhouse.gateway.ruleset.intent import Intent
from customhouse.gateway.ruleset.pace import pace_of
from customhouse.gateway.ruleset.render import collected, render, render_delta
from customhouse.host.errors import InputError
from customhouse.model.profile import Ace, Peer, PeerKind, PortRange, Rate

SEGMENT = Segment(interface="br0", ports=("p1", "p2"), addresses=("10.0.0.1",), networks=("10.0.0.0/24",))
NAME = Peer(kind=PeerKind.DNS_NAME, value="cloud.example")


def tcp(peer: Peer, port: int, **fields: object) -> Ace:
    return Ace(name="n", direction="from-device", peer=peer, protocol="tcp",
               ports=(PortRange(first=port, last=port),), **fields)  # type: ignore[arg-type]  # fmt: skip


def device(number: int, *aces: Ace, **fields: object) -> Device:
    return Device(id=f"d{number}", number=number, mac=f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
        segment="br0",
                  port="p1", aces=aces, **fields)  # type: ignore[arg-type]  # fmt: skip


def house(*devices: Device, **fields: object) -> House:
    return House(segments=(SEGMENT,), devices=devices, **fields)  # type: ignore[arg-type]


def looked_up(number: int, address: str, until: int = 1000) -> LearnedName:
    return LearnedName(device=f"d{number}", name="cloud.example", address=address, until=until)


def test_a_looked_up_name_becomes_one_element_of_device_address_protocol_and_port() -> None:
    ruleset = compile_ruleset(house(device(7, tcp(NAME, 443)), names=(looked_up(7, "198.51.100.9"),)))
    assert collected(ruleset)[Place("inet", "out_dport4")] == {
        (mark_of(7), "198.51.100.9", 6, 443): entry("return", 1000)
    }


def entry(value: str, until: int = 0) -> Entry:
    return Entry(value, until)


def test_a_device_is_its_hardware_address_on_its_port() -> None:
    held = collected(compile_ruleset(house(device(7))))
    assert held[Place("bridge", "members")] == {("02:00:00:00:00:07", "p1"): marked(7)}
    assert Place("inet", "members") not in held


def marked(number: int) -> Entry:
    return Entry(mark_of(number) | HALF)


def test_a_device_in_quarantine_keeps_nothing_but_its_name() -> None:
    held = collected(
        compile_ruleset(house(device(7, tcp(NAME, 443), quarantined=True), names=(looked_up(7, "1.2.3.4"),)))
    )
    assert Place("inet", "out_dport4") not in held
    assert Place("bridge", "members") not in held
    assert (mark_of(7),) in held[Place("inet", "quarantined")]


def test_chains_and_rules_do_not_grow_with_the_house() -> None:
    def rules(count: int) -> int:
        devices = [device(n, tcp(NAME, 443), rate=Rate(bits_per_second=10_000, burst=0)) for n in range(1, count + 1)]
        document = render(compile_ruleset(house(*devices)), 0)["nftables"]
        return sum(1 for command in document if "rule" in str(command.get("add", ""))[:8])

    assert rules(1) == rules(50)


def test_the_document_is_json_that_names_only_our_two_tables() -> None:
    document = json.loads(json.dumps(render(compile_ruleset(house(device(1, tcp(NAME, 443)))), 0)))
    named = set()
    for command in document["nftables"]:
        [body] = next(iter(command.values())).values()
        named.add((body["family"], body.get("table") or body["name"]))
    assert named == {("inet", "customhouse"), ("bridge", "customhouse")}


def test_an_element_past_its_end_is_not_written() -> None:
    ruleset = compile_ruleset(house(device(1, tcp(NAME, 443)), names=(looked_up(1, "1.2.3.4", 1000),)))
    assert "1.2.3.4" in json.dumps(render(ruleset, 999.5))
    assert "1.2.3.4" not in json.dumps(render(ruleset, 1000))


@pytest.mark.parametrize("broken", [
    house(device(1), device(1)),
    house(device(0)),
    house(device(1, addresses=("10.0.0.300",))),
    house(device(1), names=(looked_up(1, "not an address"),)),
    House(segments=(Segment(interface="br0", networks=("nonsense",)),)),
])  # fmt: skip
def test_a_house_that_makes_no_sense_is_refused(broken: House) -> None:
    if broken.names:
        broken = msgspec.structs.replace(broken, devices=(device(1, tcp(NAME, 443)),))
    with pytest.raises(InputError):
        compile_ruleset(broken)


def applied(held: Held, delta: Delta) -> Held:
    result = {place: dict(found) for place, found in held.items()}
    for place, found in delta.remove.items():
        for key, entry in found.items():
            assert result[place].pop(key) == entry
    for place, found in delta.add.items():
        for key in found:
            assert key not in result.get(place, {})
        result.setdefault(place, {}).update(found)
    return {place: found for place, found in result.items() if found}


GRANTS = st.lists(st.sampled_from([
    tcp(NAME, 443), tcp(NAME, 80, rate=Rate(bits_per_second=9_000, burst=0)),
        tcp(Peer(kind=PeerKind.LOCAL_NETWORKS), 80),
    Ace(name="r", direction="from-device", peer=Peer(kind=PeerKind.ADDRESS_RANGE, value="192.0.2.0/24"),
        protocol="udp"),
    Ace(name="i", direction="to-device", peer=Peer(kind=PeerKind.SAME_MANUFACTURER), protocol="tcp"),
]), max_size=4, unique_by=lambda a: (a.name, a.ports)).map(tuple)  # fmt: skip
DEVICES = st.builds(
    lambda number, aces, quarantined, rate, maker: device(
        number, *aces, quarantined=quarantined, rate=rate, manufacturer=maker, addresses=(f"10.0.0.{number}",)
    ),
    st.integers(2, 5), GRANTS, st.booleans(), st.none() | st.just(Rate(bits_per_second=10_000, burst=0)),
    st.sampled_from(["", "maker.example"]),
)  # fmt: skip
HOUSES = st.builds(
    lambda devices, names: house(*devices, names=tuple(looked_up(n, "192.0.2.7") for n in names)),
    st.lists(DEVICES, max_size=4, unique_by=lambda d: d.id), st.sets(st.integers(2, 5)),
)  # fmt: skip


@given(old=HOUSES, new=HOUSES)
def test_a_delta_leads_from_one_ruleset_to_the_other(old: House, new: House) -> None:
    before, after = compile_ruleset(old), compile_ruleset(new)
    delta = diff(before, after)
    assert applied(collected(before), delta) == {p: f for p, f in collected(after).items() if f}
    assert not diff(after, after)
    assert all(render_delta(delta, 0)["nftables"]) or not delta
    assert list(described_changes(delta, new))


@given(start=HOUSES, changes=st.lists(DEVICES, max_size=4))
def test_device_by_device_the_intent_comes_to_the_same_as_compiling_the_house(
    start: House, changes: list[Device]
) -> None:
    intent = Intent(start)
    held = collected(intent.ruleset)
    for changed in changes:
        held = applied(held, intent.set_device(changed))
        held = applied(held, intent.learn([looked_up(changed.number, "192.0.2.8", 2000)]))
    expected = {p: f for p, f in collected(compile_ruleset(intent.house)).items() if f}
    assert {p: f for p, f in collected(intent.ruleset).items() if f} == expected == {p: f for p, f in held.items() if f}


SPAN = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda s: (min(s), max(s)))


@given(st.lists(st.tuples(SPAN, SPAN), max_size=5))
def test_disjoint_boxes_cover_the_same_points_once(boxes: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    parts = list(disjoint(boxes))
    for x in range(7):
        for y in range(7):
            owners = [n for n, ((a, b), (c, d)) in enumerate(boxes) if a <= x <= b and c <= y <= d]
            found = [n for n, box in parts if box[0][0] <= x <= box[0][1] and box[1][0] <= y <= box[1][1]]
            assert found == owners[:1]


@pytest.mark.parametrize(("rate", "speed", "least"), [
    (Rate(bits_per_second=10_000, burst=0), 1250, 1600),
    (Rate(bits_per_second=10_000, burst=9000), 1250, 9000),
    (Rate(bits_per_second=8_000_000, burst=0), 1_000_000, 1_000_000),
])  # fmt: skip
def test_a_bucket_always_holds_a_whole_packet(rate: Rate, speed: int, least: int) -> None:
    pace = pace_of(rate)
    assert pace.speed == speed
    assert least <= pace.speed + pace.burst <= least * 1.01 + 10
