"""Who can reach a flaw: the reference case, and what an expert would flip."""

import datetime
import tomllib
from pathlib import Path

import msgspec
import pytest

from customhouse.judgement.deployment import parse_deployment
from customhouse.judgement.exposure import expose
from customhouse.judgement.situation import Seen, situation_of
from customhouse.knowledge.match import match_one
from customhouse.knowledge.snapshot import open_store
from customhouse.model import Advisory, Component, Confidence, Deployment, How, Match

REFERENCE = Path(__file__).parents[2] / "examples" / "deployments" / "mbedtls-client-mcu.toml"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(tmp_path_factory.mktemp("store") / "knowledge.sqlite")


def statements(store, version, deployment, seen=()):
    component = Component(name="mbedtls", version=version, how=How.DEFINES, confidence=Confidence.HIGH)
    return {
        found.advisory.id: expose(found, situation_of("mbedtls", version, deployment, seen))
        for found in match_one(component, store)
    }


def by_status(rows, status):
    return sorted(name for name, row in rows.items() if row.status == status)


def reference(**changes):
    """The shipped reference deployment with facts, roles or device-wide statements changed."""
    text = REFERENCE.read_text(encoding="utf-8")
    deployment = parse_deployment(text)
    [use] = deployment.uses
    facts = {**use.facts, **changes.pop("facts", {})}
    roles = changes.pop("roles", use.roles)
    use = msgspec.structs.replace(use, facts=facts, roles=roles)
    return msgspec.structs.replace(deployment, uses=(use,), **changes)


@pytest.mark.parametrize(
    ("version", "matched", "reachable"),
    [("2.16.0", 61, 4), ("2.16.12", 29, 0), ("2.28.10", 22, 0), ("3.6.0", 44, 0), ("3.6.7", 2, 0)],
)
def test_the_reference_case_gives_its_numbers(store, version, matched, reachable):
    rows = statements(store, version, reference())
    assert len(rows) == matched
    assert len(by_status(rows, "affected")) == reachable
    assert by_status(rows, "under_investigation") == []


def test_the_four_that_reach_a_plain_client_of_2_16_0_are_those_of_the_handshake(store):
    rows = statements(store, "2.16.0", reference())
    assert by_status(rows, "affected") == [
        "CVE-2020-36475",
        "CVE-2020-36478",
        "CVE-2021-44732",
        "MBEDTLS-CL-2.16.11-dhm-bias",
    ]
    assert all(set(rows[name].positions) <= {"P2", "P3"} for name in by_status(rows, "affected"))


def test_without_the_host_name_one_flaw_reaches_2_16_12(store):
    rows = statements(store, "2.16.12", reference(facts={"host-name-set": False}))
    assert by_status(rows, "affected") == ["CVE-2025-27809"]


FLIPS = [
    # what is declared, the version, what becomes reachable by it
    ("DTLS", "2.16.0", {"facts": {"dtls": True}}, {"MBEDTLS-CL-2.16.6-dtls-hello-verify-overread"}),
    ("a PSK", "2.16.12", {"facts": {"psk": True}}, {"MBEDTLS-2020-09-3"}),
    (
        "a PSK with a long identity",
        "2.16.12",
        {"facts": {"psk": True, "long-psk-identity": True}},
        {"MBEDTLS-2020-09-3", "CVE-2026-50580"},
    ),
    (
        "a server that issues tickets",
        "2.16.12",
        {"roles": ("tls-client", "tls-server"), "facts": {"issues-tickets": True}},
        {"CVE-2026-50586"},
    ),
    (
        "a local user",
        "2.16.0",
        {"local_users": True, "facts": {"own-ecdsa-key": True}},
        {"CVE-2019-16910", "CVE-2019-18222", "MBEDTLS-CL-2.16.4-ecdsa-keygen-timing"},
    ),
    ("hashes in hardware", "2.16.0", {"facts": {"hash-failure": True}}, {"CVE-2025-27810"}),
    ("trust anchors of users", "2.16.12", {"facts": {"user-trust-anchors": True}}, {"CVE-2026-49300"}),
]


@pytest.mark.parametrize(("name", "version", "change", "reached"), FLIPS, ids=[row[0] for row in FLIPS])
def test_declaring_more_flips_what_an_expert_would_flip(store, name, version, change, reached):
    before = statements(store, version, reference())
    after = statements(store, version, reference(**change))
    gained = set(by_status(after, "affected")) - set(by_status(before, "affected"))
    assert reached <= gained
    assert set(by_status(before, "affected")) <= set(by_status(after, "affected"))


def test_a_server_role_alone_does_not_make_the_calls_that_it_was_not_said_to_make(store):
    rows = statements(store, "2.16.12", reference(roles=("tls-client", "tls-server")))
    assert by_status(rows, "affected") == []
    assert rows["CVE-2026-50586"].justification == "vulnerable_code_not_in_execute_path"


def test_downstream_devices_are_a_position_of_their_own(store):
    server = {"roles": ("tls-client", "tls-server"), "facts": {"issues-tickets": True}}
    alone = statements(store, "2.16.12", reference(**server))["CVE-2026-50586"]
    with_devices = statements(store, "2.16.12", reference(downstream_devices=True, **server))["CVE-2026-50586"]
    assert "P5" not in alone.positions
    assert "P5" in with_devices.positions


def test_a_local_user_brings_back_side_channels_even_on_a_microcontroller(store):
    quiet = statements(store, "2.16.0", reference())["CVE-2020-16150"]
    shared = statements(store, "2.16.0", reference(local_users=True))["CVE-2020-16150"]
    assert quiet.status == "not_affected"
    assert quiet.justification == "vulnerable_code_cannot_be_controlled_by_adversary"
    assert "accounts" in quiet.reopens_if[0]
    assert shared.status == "under_investigation"
    assert shared.missing == ("cbc-without-etm",)
    assert shared.positions == ("P6",)


def test_a_linux_device_without_local_users_keeps_the_position_of_local_code(store):
    linux = reference(single_image_mcu=False, facts={"cbc-without-etm": True})
    assert statements(store, "2.16.0", linux)["CVE-2020-16150"].positions == ("P6",)


def test_with_nothing_declared_nothing_is_called_safe_unless_the_version_settles_it(store):
    rows = statements(store, "2.16.0", None)
    settled = {name: row for name, row in rows.items() if row.status == "not_affected"}
    assert all(row.justification == "vulnerable_code_not_present" for row in settled.values())
    assert "CVE-2026-34872" in settled  # PSA's finite-field Diffie-Hellman came with 3.5.0
    assert len(by_status(rows, "under_investigation")) > 40
    assert by_status(rows, "affected") == []


def test_every_statement_names_its_facts_and_what_would_reopen_it(store):
    for row in statements(store, "2.16.0", reference()).values():
        if row.status == "not_affected":
            assert row.justification
            assert row.facts and all(item.fact and item.source for item in row.facts)
            assert row.reopens_if and row.reopens_if[0]
        else:
            assert row.explanation


# Components without conditions of their own.

SERVER = frozenset({"server"})


def flaw(role="server", cvss="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", component="goahead", **values):
    advisory = Advisory(id="CVE-2026-1", component=component, roles=(role,) if role else (), cvss=cvss, **values)
    return Match(advisory=advisory, component=component, version="1.0", matched_because="in range")


def judged(match, deployment=None, *seen):
    return expose(match, situation_of(match.component, match.version, deployment, seen))


def test_a_server_that_boot_starts_is_reached_by_the_lan_and_the_internet():
    running = Seen(component="goahead", sides=SERVER, started_by="/etc/rcS", ports=("tcp/80",))
    row = judged(flaw(), None, running)
    assert row.status == "affected"
    assert {"P1", "P4"} <= set(row.positions)
    assert any("/etc/rcS" in item.fact and "tcp/80" in item.fact for item in row.facts)


def test_a_server_that_nothing_was_seen_to_start_is_an_open_question():
    row = judged(flaw(), None, Seen(component="goahead"))
    assert row.status == "under_investigation"
    assert row.missing == ("runs-goahead",)


def test_a_server_that_runs_says_nothing_of_its_client_side():
    running = Seen(component="dropbear", sides=SERVER)
    row = judged(flaw("client", component="dropbear"), None, running)
    assert (row.status, row.missing) == ("under_investigation", ("role:client",))
    both = judged(flaw("both", component="dropbear"), None, running)
    assert (both.status, both.positions) == ("affected", ("P1", "P4"))


def test_a_local_flaw_is_open_until_somebody_says_who_runs_code_on_the_device():
    local = flaw("both", "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", "linux-kernel")
    running = Seen(component="linux-kernel", sides=SERVER, ports=("tcp/80",))
    row = judged(local, None, running)
    assert (row.status, row.positions, row.missing) == ("under_investigation", ("P6",), ("local-users",))
    assert judged(local, Deployment(local_users=True), running).positions == ("P6",)


def test_a_server_whose_flaw_is_in_the_answers_it_gets_is_reached_from_the_path():
    dns = flaw(component="dnsmasq", surface="DNS: crafted DNS reply")
    assert judged(dns, None, Seen(component="dnsmasq", sides=SERVER)).positions == ("P1", "P2", "P3", "P4")


def test_the_kernel_is_met_through_what_listens():
    sack = flaw("both", component="linux-kernel")
    assert judged(sack, None, Seen(component="linux-kernel")).missing == ("listening-service",)
    listening = Seen(component="linux-kernel", sides=SERVER, ports=("tcp/80",))
    row = judged(sack, None, listening)
    assert row.status == "affected"
    assert row.facts[0].fact == "services that boot starts listen on tcp/80"
    assert judged(sack, Deployment(listeners=("tcp/80",)), Seen(component="linux-kernel")).status == "affected"
    quiet = judged(sack, Deployment(listeners=()), Seen(component="linux-kernel"))
    assert quiet.status == "under_investigation"  # what it connects to can still answer


NAT = Deployment(behind_nat=True, upnp=False, ipv6_filtered=True)


def test_nat_removes_internet_peers_and_nobody_else():
    running = Seen(component="goahead", sides=SERVER)
    assert "P1" in judged(flaw(), Deployment(behind_nat=True), running).positions
    row = judged(flaw(), NAT, running)
    assert "P1" not in row.positions
    assert row.status == "affected"
    assert "P4" in row.positions


def test_declared_downstream_devices_reach_what_neighbours_reach():
    running = Seen(component="goahead", sides=SERVER)
    assert "P5" in judged(flaw(), Deployment(downstream_devices=True), running).positions
    assert "P5" not in judged(flaw(), Deployment(downstream_devices=False), running).positions
    assert "P5" not in judged(flaw("client"), Deployment(downstream_devices=True), running).positions


def test_nat_alone_never_makes_a_flaw_harmless():
    only_internet = flaw(attackers=("internet-peer",))
    row = judged(only_internet, NAT, Seen(component="goahead", sides=SERVER))
    assert row.status == "affected"
    assert row.perimeter
    assert "update" in row.explanation


def test_an_applet_that_the_table_lacks_is_code_that_is_not_there():
    dhcp = flaw("client", component="busybox", applets=("udhcpc",))
    without = Seen(component="busybox", applets=frozenset({"ash", "ls"}))
    row = judged(dhcp, None, without)
    assert (row.status, row.justification) == ("not_affected", "vulnerable_code_not_present")
    held = Seen(component="busybox", applets=frozenset({"udhcpc"}), applets_run=frozenset({"udhcpc"}))
    assert judged(dhcp, None, held).status == "affected"
    unknown = Seen(component="busybox", applets=None)
    assert judged(dhcp, None, unknown).status == "under_investigation"


def test_whether_an_applet_runs_can_be_declared():
    dhcp = flaw("both", component="busybox", applets=("udhcpc", "udhcpd"))
    held = Seen(component="busybox", applets=frozenset({"udhcpc", "udhcpd"}))
    assert judged(dhcp, None, held).missing == ("runs-udhcpc|runs-udhcpd",)
    text = '[[component]]\nname = "busybox"\nfacts = { runs-udhcpc = %s, runs-udhcpd = false }'
    assert judged(dhcp, parse_deployment(text % "false"), held).justification == "vulnerable_code_not_in_execute_path"
    assert judged(dhcp, parse_deployment(text % "true"), held).status == "affected"


def test_a_function_that_no_program_calls_is_not_in_the_execute_path():
    header = flaw("parser", component="zlib", symbols=("inflateGetHeader",))
    uncalled = Seen(component="zlib", called=frozenset({"inflate"}))
    row = judged(header, None, uncalled)
    assert (row.status, row.justification) == ("not_affected", "vulnerable_code_not_in_execute_path")
    assert judged(header, None, Seen(component="zlib", called=None)).status == "under_investigation"


def test_an_uncertain_match_is_never_called_affected():
    match = msgspec.structs.replace(flaw(), certain=False, matched_because="the sources disagree")
    row = judged(match, None, Seen(component="goahead", sides=SERVER))
    assert row.status == "under_investigation"
    assert "disagree" in row.explanation


def test_a_package_built_before_a_flaw_was_known_cannot_carry_its_fix():
    match = msgspec.structs.replace(flaw(published=datetime.date(2017, 10, 2)), certain=False, backport=True)
    running = {"component": "goahead", "sides": SERVER}
    assert judged(match, None, Seen(**running)).missing == ("affected-version",)
    assert judged(match, None, Seen(**running, built=datetime.date(2018, 1, 1))).status == "under_investigation"
    row = judged(match, None, Seen(**running, built=datetime.date(2014, 5, 1)))
    assert row.status == "affected"
    assert any("2014-05-01" in item.fact for item in row.facts)
    assert judged(match, Deployment(firmware_date="2014-05-01"), Seen(**running)).status == "affected"
    other = msgspec.structs.replace(match, backport=False)
    assert judged(other, None, Seen(**running, built=datetime.date(2014, 5, 1))).status == "under_investigation"


def test_every_shipped_deployment_can_be_read():
    files = sorted(REFERENCE.parent.glob("*.toml"))
    assert len(files) >= 4
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert parse_deployment(text).name == tomllib.loads(text)["name"]
