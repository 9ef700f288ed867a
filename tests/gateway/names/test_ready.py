"""Answers from memory are the conversation's own, byte for byte, or there are none."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.names import wire
from customhouse.gateway.names.nouns import Permission, Refusal
from customhouse.gateway.names.proxy import Ask, Limits, Proxy

NAMES = ("cloud.example.org", "alias.example.org", "gone.example.org", "no.example.org")


class House:
    """A proxy whose upstream answers at once; `allowed` is the owner's policy."""

    def __init__(self, limits: Limits) -> None:
        self.allowed = {(device, name) for device in ("camera", "plug") for name in NAMES[:3]}
        self.refusals: list[Refusal] = []
        self.proxy = Proxy(lambda d, n: Permission((d, n) in self.allowed), self.refusals.append, limits=limits)
        self.steps = 0

    def converse(self, now: float, device: str, packet: bytes) -> bytes | None:
        conversation = self.proxy.converse(now, device, packet)
        try:
            step = next(conversation)
            while True:
                self.steps += 1
                step = conversation.send(upstream(step) if isinstance(step, Ask) else None)
        except StopIteration as end:
            answer: bytes | None = end.value
            return answer


def upstream(ask: Ask) -> wire.Response:
    question = wire.Question(ask.name, ask.type, b"")
    if ask.name.startswith("gone"):
        return wire.Response(1, wire.NXDOMAIN, False, question, ())
    if ask.name.startswith("alias"):
        alias = wire.Record(ask.name, wire.CNAME, 20, "real.example.org")
        return wire.Response(1, 0, False, question, (alias, wire.Record("real.example.org", wire.A, 90, "9.9.9.9")))
    records = (wire.Record(ask.name, wire.A, 300, "9.9.9.9"), wire.Record(ask.name, wire.A, 10, "9.9.9.10"))
    return wire.Response(1, 0, False, question, records)


def query(identifier: int, name: str, kind: int = wire.A) -> bytes:
    head = struct.pack(">6H", identifier, 0x0100, 1, 0, 0, 0)
    return head + wire.name_to_wire(name) + struct.pack(">HH", kind, 1)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("camera", "plug")),
        st.sampled_from(NAMES),
        st.sampled_from((wire.A, wire.HTTPS)),
        st.integers(0, 0xFFFF),
        st.sampled_from((0.0, 0.4, 3.0, 31.0, 200.0)),
        st.booleans(),
    ),
    max_size=40,
)


@given(EVENTS)
def test_from_memory_comes_what_the_conversation_says_or_nothing(
    events: list[tuple[str, str, int, int, float, bool]],
) -> None:
    limits = Limits(queries_a_second=2.0)
    quick, plain = House(limits), House(limits)
    now = 1000.0
    for device, name, kind, identifier, wait, withdraw in events:
        now += wait
        packet = query(identifier, name, kind)
        if withdraw:
            quick.allowed ^= {(device, name)}
            plain.allowed ^= {(device, name)}
        at_once = quick.proxy.at_once(now, device, packet)
        given_out = quick.converse(now, device, packet) if at_once is None else bytes(at_once) or None
        assert given_out == plain.converse(now, device, packet)
    assert quick.refusals == plain.refusals
    assert quick.steps == plain.steps


def test_the_second_answer_comes_from_memory_and_its_life_runs_down() -> None:
    house = House(Limits())
    house.converse(0.0, "camera", query(1, "cloud.example.org"))
    answer = house.proxy.at_once(4.0, "camera", query(2, "cloud.example.org"))
    assert answer is not None
    read = wire.read_response(bytes(answer))
    assert read.id == 2
    assert [(record.data, record.ttl) for record in read.records] == [("9.9.9.9", 6), ("9.9.9.10", 6)]


def test_another_device_has_nothing_from_memory_before_the_kernel_was_told_for_it() -> None:
    house = House(Limits())
    house.converse(0.0, "camera", query(1, "cloud.example.org"))
    assert house.proxy.at_once(1.0, "plug", query(2, "cloud.example.org")) is None
    house.proxy.forget("camera")
    assert house.proxy.at_once(1.0, "camera", query(2, "cloud.example.org")) is None


def test_ever_new_spellings_do_not_fill_the_memory() -> None:
    house = House(Limits(names_cached=8))
    for number in range(50):
        name = "".join(c.upper() if number >> i & 1 else c for i, c in enumerate("cloud")) + ".example.org"
        house.converse(0.0, "camera", query(1, name))
    assert len(house.proxy._ready) <= 8
