"""Conversations with the proxy, without a socket."""

from collections.abc import Callable

import dnslib
import pytest

from customhouse.gateway.names import wire
from customhouse.gateway.names.nouns import Learned, Permission, Refusal
from customhouse.gateway.names.proxy import Ask, CommitFailed, CommitFirst, Limits, Proxy

ADDRESS = "93.184.216.34"
DECLARED = {("camera", "cloud.example.org"), ("plug", "cloud.example.org")}


class House:
    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.proxy = Proxy(permitted=self.permitted, notify=self.refusals.append)

    def permitted(self, device: str, name: str) -> Permission:
        return Permission((device, name) in DECLARED, "it is not declared")

    def ask(
        self,
        device: str,
        name: str = "cloud.example.org",
        kind: str = "A",
        now: float = 0.0,
        upstream: Callable[[Ask], wire.Response | None] | None = None,
        commit_fails: bool = False,
    ) -> tuple[dnslib.DNSRecord | None, list[Ask | CommitFirst]]:
        """The whole conversation: the answer, and what the proxy wanted done on the way."""
        steps: list[Ask | CommitFirst] = []
        conversation = self.proxy.converse(now, device, bytes(dnslib.DNSRecord.question(name, kind).pack()))
        try:
            step = next(conversation)
            while True:
                steps.append(step)
                if isinstance(step, Ask):
                    step = conversation.send((upstream or answered)(step))
                elif commit_fails:
                    step = conversation.throw(CommitFailed("no"))
                else:
                    step = conversation.send(None)
        except StopIteration as end:
            return (dnslib.DNSRecord.parse(end.value) if end.value else None), steps


def answered(ask: Ask) -> wire.Response:
    record = wire.Record(ask.name, wire.A, 300, ADDRESS)
    return wire.Response(1, 0, False, wire.Question(ask.name, ask.type, b""), (record,))


@pytest.fixture
def house() -> House:
    return House()


def test_an_undeclared_name_is_refused_before_anything_leaves_the_house(house: House) -> None:
    answer, steps = house.ask("camera", "exfil.example.net")
    assert answer is not None and answer.header.rcode == wire.REFUSED
    assert steps == []
    assert house.refusals == [Refusal("camera", "exfil.example.net", "it is not declared")]


def test_the_kernel_knows_the_address_before_the_device_does(house: House) -> None:
    answer, steps = house.ask("camera")
    assert steps == [
        Ask("cloud.example.org", wire.A),
        CommitFirst((Learned("camera", "cloud.example.org", ADDRESS, 330),)),
    ]
    assert answer is not None and str(answer.rr[0].rdata) == ADDRESS


def test_an_address_that_the_kernel_did_not_take_is_not_given_out(house: House) -> None:
    answer, _ = house.ask("camera", commit_fails=True)
    assert answer is not None and answer.header.rcode == wire.SERVFAIL
    assert answer.rr == []
    _, steps = house.ask("camera")
    assert any(isinstance(step, CommitFirst) for step in steps), "the next query must try again"


def test_one_devices_look_up_opens_nothing_for_another(house: House) -> None:
    house.ask("camera")
    _, steps = house.ask("plug")
    assert steps == [CommitFirst((Learned("plug", "cloud.example.org", ADDRESS, 330),))]


def test_a_second_query_is_answered_from_memory_with_what_is_left_of_its_life(house: House) -> None:
    house.ask("camera", now=0.0)
    answer, steps = house.ask("camera", now=100.0)
    assert steps == []
    assert answer is not None and answer.rr[0].ttl == 200


def test_what_the_device_is_told_never_outlives_what_the_kernel_was_told(house: House) -> None:
    house.ask("camera", now=0.0)
    for now in (50.0, 299.0, 301.0, 450.0, 640.0):
        answer, steps = house.ask("camera", now=now)
        assert answer is not None
        learned = [e for step in steps if isinstance(step, CommitFirst) for e in step.learned]
        until = now + learned[0].seconds if learned else house.proxy._until["camera"][ADDRESS]
        assert now + answer.rr[0].ttl <= until


def test_an_upstream_that_is_silent_is_a_failure_and_not_remembered(house: House) -> None:
    answer, _ = house.ask("camera", upstream=lambda ask: None)
    assert answer is not None and answer.header.rcode == wire.SERVFAIL
    answer, _ = house.ask("camera")
    assert answer is not None and answer.header.rcode == wire.NOERROR


def test_rebinding_is_refused_and_told(house: House) -> None:
    def rebinding(ask: Ask) -> wire.Response:
        return answered(ask)._replace(records=(wire.Record(ask.name, wire.A, 1, "192.168.1.20"),))

    answer, steps = house.ask("camera", upstream=rebinding)
    assert answer is not None and answer.rr == []
    assert not any(isinstance(step, CommitFirst) for step in steps)
    assert "192.168.1.20" in house.refusals[0].reason


@pytest.mark.parametrize("kind", ["HTTPS", "SVCB", "ANY", "NS"])
def test_hints_that_lead_past_the_proxy_are_stripped(house: House, kind: str) -> None:
    answer, steps = house.ask("camera", kind=kind)
    assert answer is not None and answer.header.rcode == wire.NOERROR
    assert answer.rr == [] and steps == []


def test_a_device_that_floods_is_not_answered_and_its_neighbour_is(house: House) -> None:
    house.proxy.limits = Limits(queries_a_second=5)
    answers = [house.ask("camera", "no.example.net")[0] for _ in range(30)]
    assert answers.count(None) == 10
    assert house.ask("plug")[0] is not None


def test_after_quarantine_a_look_up_is_committed_again(house: House) -> None:
    house.ask("camera")
    house.proxy.forget("camera")
    _, steps = house.ask("camera")
    assert len(steps) == 1 and isinstance(steps[0], CommitFirst)


def test_a_name_that_does_not_exist_is_said_not_to(house: House) -> None:
    def nothing(ask: Ask) -> wire.Response:
        return answered(ask)._replace(code=wire.NXDOMAIN, records=())

    answer, _ = house.ask("camera", upstream=nothing)
    assert answer is not None and answer.header.rcode == wire.NXDOMAIN
