"""RFC 8520 files: both forms are read, every part is carried or named, and what is written reads back the same."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.profile.mud import read_mud
from customhouse.gateway.profile.write import write_mud
from customhouse.host.errors import InputError
from customhouse.model.profile import Ace, DeviceProfile, Identity, Peer, PeerKind, PortRange, ProfileSource, Rate

URL = "https://maker.example/lamp.json"


def ace(matches: dict[str, Any], name: str = "one", **more: Any) -> dict[str, Any]:
    return {"name": name, "matches": matches, "actions": {"forwarding": "accept"}, **more}


def mud(
    *aces: dict[str, Any], kind: str = "ipv4-acl-type", outward: bool = True, key: str = "acls", **more: Any
) -> bytes:
    policy = "from-device-policy" if outward else "to-device-policy"
    return json.dumps({
        "ietf-mud:mud": {
            "mud-version": 1, "mud-url": URL, "last-update": "2024-01-02T03:04:05Z", "is-supported": True,
            policy: {"access-lists": {"access-list": [{"name": "list"}]}}, **more,
        },
        f"ietf-access-control-list:{key}": {"acl": [{"name": "list", "type": kind, "aces": {"ace": list(aces)}}]},
    }).encode()  # fmt: skip


HTTPS = {
    "ipv4": {"protocol": 6, "ietf-acldns:dst-dnsname": "Cloud.Maker.Example."},
    "tcp": {"destination-port": {"operator": "eq", "port": 443}, "ietf-mud:direction-initiated": "from-device"},
}


@pytest.mark.parametrize("key", ["acls", "access-lists"])
def test_draft_and_final_form_read_the_same(key: str) -> None:
    [found] = read_mud(mud(ace(HTTPS), key=key)).aces
    assert found == Ace(
        name="one", direction="from-device", peer=Peer(kind=PeerKind.DNS_NAME, value="cloud.maker.example"),
        protocol="tcp", ports=(PortRange(first=443, last=443),), initiated_by="device", family="ipv4",
    )  # fmt: skip


def test_a_name_on_the_other_side_is_the_peer_of_what_comes_in() -> None:
    matches = {"ipv4": {"protocol": 17, "ietf-acldns:src-dnsname": "time.example"},
               "udp": {"source-port": {"operator": "eq", "port": 123}}}  # fmt: skip
    [found] = read_mud(mud(ace(matches), outward=False)).aces
    assert found.direction == "to-device"
    assert found.peer == Peer(kind=PeerKind.DNS_NAME, value="time.example")
    assert found.local_ports == (PortRange(first=123, last=123),)


@pytest.mark.parametrize(("port", "ranges"), [
    ({"operator": "eq", "port": 80}, [(80, 80)]),
    ({"operator": "lte", "port": 80}, [(0, 80)]),
    ({"operator": "gte", "port": 80}, [(80, 65535)]),
    ({"operator": "neq", "port": 80}, [(0, 79), (81, 65535)]),
    ({"lower-port": 80, "upper-port": 90}, [(80, 90)]),
])  # fmt: skip
def test_every_port_operator_of_rfc_8519_is_carried(port: dict[str, Any], ranges: list[tuple[int, int]]) -> None:
    [found] = read_mud(mud(ace({"ipv4": {"protocol": 17}, "udp": {"destination-port": port}}))).aces
    assert [(r.first, r.last) for r in found.ports] == ranges


@pytest.mark.parametrize(("matches", "named"), [
    ({"ipv4": {"protocol": 6, "extraneous": 1}}, "ipv4/extraneous"),
    ({"ipv4": {"protocol": 6, "dscp": 3}}, "ipv4/dscp"),
    ({"ipv4": {"protocol": "6"}}, "ipv4/protocol"),
    ({"ipv4": {"protocol": 300}}, "ipv4/protocol"),
    ({"ipv4": {"protocol": True}}, "ipv4/protocol"),
    ({"ipv4": {"destination-ipv4-network": "fd00::/8"}}, "destination-ipv4-network"),
    ({"ipv4": {"source-ipv4-network": "192.0.2.1/32"}}, "source-ipv4-network"),
    ({"ipv4": {"ietf-acldns:dst-dnsname": "a b;rm -rf /"}}, "dst-dnsname"),
    ({"ipv4": {"ietf-acldns:src-dnsname": "a.example"}}, "src-dnsname"),
    ({"ipv4": {"protocol": 6}, "tcp": {"destination-port": 80}}, "tcp/destination-port"),
    ({"ipv4": {"protocol": 6}, "tcp": {"destination-port": {"operator": "??", "port": 80}}}, "tcp/destination-port"),
    ({"ipv4": {"protocol": 6}, "tcp": {"flags": "syn"}}, "tcp/flags"),
    ({"ipv4": {"protocol": 6}, "udp": {"destination-port": {"operator": "eq", "port": 80}}}, "matches/udp"),
    ({"ipv4": {"protocol": 6}, "tcp": {"ietf-mud:direction-initiated": "sideways"}}, "direction-initiated"),
    ({"ietf-mud:mud": {"my-controller": "yes"}}, "my-controller"),
    ({"ietf-mud:mud": {"controller": 7}}, "controller"),
    ({"ietf-mud:mud": {"flavour": [None]}}, "flavour"),
    ({"ietf-mud:mud": {"my-controller": [None], "local-networks": [None]}}, "local-networks"),
    ({"eth": {"ethertype": "0x888e"}}, "eth/ethertype"),
    ({"ipv4": {}, "eth": {"destination-mac-address": "02:00:00:00:00:01"}}, "destination-mac-address"),
    ({"ipv4": {"protocol": 1}, "icmp": {"type": 8, "rest-of-header": "aa"}}, "rest-of-header"),
    ({"ipv4": []}, "matches/ipv4"),
    ({"geneve": {}}, "matches/geneve"),
])  # fmt: skip
def test_a_condition_that_cannot_be_held_is_named_and_its_entry_left_out(matches: dict[str, Any], named: str) -> None:
    profile = read_mud(mud(ace(matches), ace(HTTPS, "good")))
    assert [found.name for found in profile.aces] == ["good"]
    assert any(named in part.what for part in profile.unsupported)
    assert all("[one]" in part.what for part in profile.unsupported)


def test_what_stands_after_an_overlapping_denial_is_left_out() -> None:
    denied = {**ace(HTTPS, "denied"), "actions": {"forwarding": "drop"}}
    other = {"ipv4": {"protocol": 17, "ietf-acldns:dst-dnsname": "b.example"}}
    profile = read_mud(mud(ace(HTTPS, "before"), denied, ace(HTTPS, "after"), ace(other, "apart")))
    assert [found.name for found in profile.aces] == ["before", "apart"]
    assert any("[after]" in part.what for part in profile.unsupported)


def test_undefined_and_unused_lists_and_wrong_types_are_named() -> None:
    document = json.loads(mud(ace(HTTPS)))
    document["ietf-mud:mud"]["to-device-policy"] = {"access-lists": {"access-list": [{"name": "nowhere"}, 3]}}
    document["ietf-access-control-list:acls"]["acl"].append({"name": "spare", "type": "ipv4-acl-type", "aces": {}})
    document["ietf-mud:mud"] |= {"cache-validity": 500, "last-update": "yesterday", "is-supported": "yes", "colour": 1}
    document["extra"] = {}
    profile = read_mud(json.dumps(document).encode())
    named = " ".join(part.what for part in profile.unsupported)
    for word in (
        "nowhere",
        "access-list[1]",
        "acl[spare]",
        "cache-validity",
        "last-update",
        "is-supported",
        "colour",
        "extra",
    ):
        assert word in named
    assert profile.valid_for == 48


def test_local_networks_narrowed_to_a_group_keep_both() -> None:
    matches = {"ipv4": {"protocol": 17, "destination-ipv4-network": "239.255.255.250/32"},
               "ietf-mud:mud": {"local-networks": [None]}}  # fmt: skip
    [found] = read_mud(mud(ace(matches))).aces
    assert found.peer == Peer(kind=PeerKind.LOCAL_NETWORKS, within="239.255.255.250/32")


def test_a_rate_is_read_from_our_extension() -> None:
    rated = {"bits-per-second": 10_000, "burst": 3_000}
    profile = read_mud(
        mud(ace(HTTPS, **{"customhouse:rate": rated}), **{"customhouse:rate": rated, "extensions": ["customhouse"]})
    )
    assert profile.rate == profile.aces[0].rate == Rate(bits_per_second=10_000, burst=3_000)
    assert profile.unsupported == ()


@pytest.mark.parametrize("data", [
    b"", b"[]", b"{}", b"null", b'{"ietf-mud:mud": {"mud-version": 2}}', b'{"a": 1, "a": 2}', b"[" * 100_000,
    b'{"a":' * 60 + b"1" + b"}" * 60, b"{" + b" " * (1 << 20) + b"}", b'{"ietf-mud:mud": NaN}', b"\xff\xfe{}",
    b'{"ietf-mud:mud": {"mud-version": ' + b"9" * 5000 + b"}}",
])  # fmt: skip
def test_what_is_no_mud_file_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(InputError) as refused:
        read_mud(data)
    assert "\n" not in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=8), lambda c: st.lists(c, max_size=3)
    | st.dictionaries(st.sampled_from(["ipv4", "tcp", "udp", "icmp", "eth", "ietf-mud:mud", "protocol", "name", "aces",
                                       "ace", "matches", "actions", "forwarding", "destination-port", "operator",
                                       "port", "controller", "local-networks", "x"]), c, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(st.binary(max_size=200))
def test_any_bytes_give_a_profile_or_an_input_error(data: bytes) -> None:
    try:
        read_mud(data)
    except InputError as error:
        assert str(error)


@given(matches=JSON, actions=JSON, policy=JSON, rate=JSON)
def test_any_values_in_any_place_give_a_profile_with_notes(matches: Any, actions: Any, policy: Any, rate: Any) -> None:
    strange = {"name": "one", "matches": matches, "actions": actions, "customhouse:rate": rate}
    profile = read_mud(mud(strange, ace(HTTPS, "good"), **{"to-device-policy": policy}))
    assert "good" in [found.name for found in profile.aces] or profile.unsupported


PORTS = st.integers(0, 65535)
RANGES = st.lists(st.tuples(PORTS, PORTS).map(lambda p: PortRange(first=min(p), last=max(p))), max_size=1).map(tuple)
PEERS = st.one_of(
    st.sampled_from(["a.example", "b.c.example"]).map(lambda n: Peer(kind=PeerKind.DNS_NAME, value=n)),
    st.just(Peer(kind=PeerKind.LOCAL_NETWORKS)),
    st.just(Peer(kind=PeerKind.MY_CONTROLLER)),
    st.just(Peer(kind=PeerKind.SAME_MANUFACTURER)),
    st.just(Peer(kind=PeerKind.CONTROLLER, value="urn:ietf:params:mud:ntp")),
)
ACES = st.builds(
    Ace, name=st.sampled_from(["x", "y"]), direction=st.sampled_from(["from-device", "to-device"]), peer=PEERS,
    protocol=st.sampled_from(["tcp", "udp"]), ports=RANGES, local_ports=RANGES,
    family=st.sampled_from(["ipv4", "ipv6"]),
    rate=st.none() | st.just(Rate(bits_per_second=10_000, burst=0)),
)  # fmt: skip


@given(aces=st.lists(ACES, max_size=6).map(tuple), rate=st.none() | st.just(Rate(bits_per_second=5_000, burst=9)))
def test_what_is_written_reads_back_the_same(aces: tuple[Ace, ...], rate: Rate | None) -> None:
    profile = DeviceProfile(
        identity=Identity(name="lamp", manufacturer="maker.example", mud_url=URL),
        source=ProfileSource(kind="mud"), aces=aces, rate=rate, last_update=datetime(2024, 1, 2, tzinfo=UTC),
    )  # fmt: skip
    again = read_mud(write_mud(profile).encode())
    assert again.unsupported == ()
    assert again.identity == profile.identity
    assert again.rate == rate

    def meaning(found: tuple[Ace, ...]) -> set[Ace]:
        return {msgspec.structs.replace(each, name="") for each in found}

    assert meaning(again.aces) == meaning(aces)
    assert '"ietf-access-control-list:acls"' in write_mud(profile)


@pytest.mark.corpus
def test_the_real_files_load_and_their_final_form_says_the_same(shared: Path) -> None:
    files = sorted((shared / "mud").glob("*Mud.json"))
    assert len(files) == 12
    for file in files:
        profile = read_mud(file.read_bytes(), str(file))
        total = sum(
            len(a["aces"]["ace"]) for a in json.loads(file.read_text())["ietf-access-control-list:access-lists"]["acl"]
        )
        left_out = [part for part in profile.unsupported if "left out" in part.why]
        assert len(profile.aces) + len(left_out) == total, file.name
        again = read_mud(write_mud(profile).encode())
        assert again.unsupported == ()
        assert [msgspec.structs.replace(a, name="") for a in again.aces if a.peer.value not in ("0.0.0.0/0",
            "::/0")] == [
            msgspec.structs.replace(a, name="", family=again_family(a)) for a in ordered(profile.aces)
            if a.peer.value not in ("0.0.0.0/0", "::/0")
        ], file.name  # fmt: skip


def again_family(found: Ace) -> str:
    return found.family


def ordered(aces: tuple[Ace, ...]) -> list[Ace]:
    """As the writer groups them: by direction, then family."""
    return sorted(aces, key=lambda a: (a.direction != "from-device", a.family))


@pytest.mark.corpus
@pytest.mark.parametrize(("number", "named"), [(1, "extraneous-data"), (2, "extraneous_data"), (3, "extraneous_data")])
def test_unknown_members_of_the_malformed_files_are_named(shared: Path, number: int, named: str) -> None:
    profile = read_mud((shared / "mud" / f"malformed-{number}.json").read_bytes())
    assert any(part.what.endswith(named) for part in profile.unsupported)
