import itertools

import pytest

from customhouse.gateway.names.answer import ALIASES_MOST, believe
from customhouse.gateway.names.wire import AAAA, CNAME, A, Question, Record, Response

PUBLIC = "93.184.216.34"


def response(*records: Record, kind: int = A) -> Response:
    return Response(1, 0, False, Question("cloud.example.org", kind, b""), records)


def test_an_address_of_the_name_asked_is_believed() -> None:
    believed = believe(response(Record("cloud.example.org", A, 300, PUBLIC)))
    assert believed.addresses == (PUBLIC,)
    assert believed.ttl == 300


def test_an_address_of_another_name_is_left_out() -> None:
    believed = believe(response(Record("evil.example.net", A, 300, PUBLIC)))
    assert believed.addresses == ()


def test_aliases_are_followed_and_the_shortest_life_counts() -> None:
    believed = believe(
        response(
            Record("edge.example.net", A, 20, PUBLIC),
            Record("cloud.example.org", CNAME, 300, "edge.example.net"),
        )
    )
    assert believed.addresses == (PUBLIC,)
    assert believed.ttl == 20


def test_an_alias_that_does_not_start_at_the_name_asked_opens_nothing() -> None:
    believed = believe(
        response(Record("other.example.org", CNAME, 300, "edge.example.net"), Record("edge.example.net", A, 20, PUBLIC))
    )
    assert believed.addresses == ()


def test_aliases_in_a_circle_are_refused() -> None:
    believed = believe(
        response(
            Record("cloud.example.org", CNAME, 300, "b.example.org"),
            Record("b.example.org", CNAME, 300, "cloud.example.org"),
        )
    )
    assert "circle" in believed.refused


def test_too_many_aliases_are_refused() -> None:
    names = ["cloud.example.org", *(f"n{i}.example.org" for i in range(ALIASES_MOST + 1))]
    records = [Record(a, CNAME, 300, b) for a, b in itertools.pairwise(names)]
    assert believe(response(*records)).refused


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("192.168.1.1", A),
        ("127.0.0.1", A),
        ("0.0.0.0", A),
        ("169.254.169.254", A),
        ("100.64.0.1", A),
        ("224.0.0.1", A),
        ("::1", AAAA),
        ("fd00::1", AAAA),
        ("fe80::1", AAAA),
        ("::ffff:192.168.1.1", AAAA),
        ("64:ff9b::c0a8:101", AAAA),
        ("2002:c0a8:101::1", AAAA),
    ],
)
def test_an_address_inside_the_house_is_rebinding(address: str, kind: int) -> None:
    believed = believe(response(Record("cloud.example.org", kind, 300, address), kind=kind))
    assert believed.addresses == ()
    assert address in believed.refused


def test_the_gateways_own_public_address_is_refused() -> None:
    believed = believe(response(Record("cloud.example.org", A, 300, PUBLIC)), house={PUBLIC})
    assert "this gateway" in believed.refused


def test_a_public_address_beside_a_private_one_is_kept_alone() -> None:
    believed = believe(
        response(Record("cloud.example.org", A, 300, PUBLIC), Record("cloud.example.org", A, 300, "10.0.0.1"))
    )
    assert believed.addresses == (PUBLIC,)
    assert "10.0.0.1" in believed.refused
