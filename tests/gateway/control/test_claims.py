"""A profile that a device claims becomes a proposal, and nothing more."""

import asyncio
import json

import pytest
from tests.gateway.control.conftest import Clock

from customhouse.gateway.arrival.dhcp import Claim
from customhouse.gateway.control.claims import AGAIN_SECONDS, FAILED_SECONDS, Claims
from customhouse.gateway.control.gate import Gate
from customhouse.gateway.control.views import device_views, request_views
from customhouse.gateway.profile.fetch import Fetched
from customhouse.gateway.profile.plain import read_plain
from customhouse.gateway.profile.write import write_mud
from customhouse.host.errors import InputError

CAMERA = "02:00:5e:10:00:01"
URL = "https://mud.example.com/camera.json"


def mud(*hosts: str, url: str = URL, rate: str = "") -> bytes:
    entries = "".join(f'[[to]]\nhost = "{host}"\ntcp = 443\n' for host in hosts)
    text = f'rate = "{rate}"\n{entries}' if rate else entries
    return write_mud(read_plain(text.encode()), url).encode()


class Web:
    """What each URL holds; an exception stands for a server that does not answer."""

    def __init__(self, **files: bytes | InputError) -> None:
        self.files: dict[str, bytes | InputError] = dict(files)
        self.asked: list[str] = []

    def fetch(self, url: str) -> Fetched:
        self.asked.append(url)
        found = self.files.get(url, InputError("there is nothing"))
        if isinstance(found, InputError):
            raise found
        return Fetched(url, found)


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def claims(gate: Gate, web: Web, clock: Clock) -> Claims:
    return Claims(gate, web.fetch, clock)


def claim(gate: Gate, url: str = URL) -> None:
    asyncio.run(gate.claimed(Claim(CAMERA, 3, "cam", "", url, "192.168.20.9")))


def look(claims: Claims) -> None:
    asyncio.run(claims.look())


def test_what_a_device_claims_is_proposed_and_not_enforced(gate: Gate, web: Web, claims: Claims) -> None:
    web.files[URL] = mud("a.example.com", "b.example.com")
    claim(gate)
    look(claims)
    [view] = device_views(gate)
    assert (view.mode, view.entries, view.pinned_url, view.proposed) == ("held", 0, "", len(_proposed(gate)))
    assert not gate.permitted(CAMERA, "a.example.com").allowed
    [request] = request_views(gate, None)
    assert request.detail == f"asks for {view.proposed} entries, unsigned"
    assert request.undo == f"customhouse gate approve {CAMERA} --profile"
    asyncio.run(gate.approve_profile(CAMERA))
    assert gate.permitted(CAMERA, "a.example.com").allowed
    assert gate.state.find(CAMERA).pinned_url == URL
    assert request_views(gate, None) == []


def _proposed(gate: Gate) -> tuple[object, ...]:
    return gate.state.profiles("proposed", CAMERA)[CAMERA].aces


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (InputError("mud.example.com leads to 10.0.0.1, which is not a public address"), "not a public address"),
        (b"<html>not found</html>", "JSON"),
        (b"{}", "mud"),
        (b"\xff\xfe\x00", "could not be fetched"),
    ],
    ids=["unreachable", "not JSON", "empty", "not text"],
)
def test_a_file_that_fails_leaves_the_device_held_and_says_why(
    gate: Gate, web: Web, claims: Claims, clock: Clock, held: bytes | InputError, said: str
) -> None:
    web.files[URL] = held
    claim(gate)
    look(claims)
    look(claims)
    assert web.asked == [URL], "it is not asked again at once"
    [request] = request_views(gate, None)
    assert said in request.detail
    assert "\n" not in request.detail
    [view] = device_views(gate)
    assert (view.mode, view.proposed) == ("held", None)
    assert gate.house().devices[0].aces == ()
    web.files[URL] = mud("a.example.com")
    clock.now += FAILED_SECONDS
    look(claims)
    assert _proposed(gate)


def test_a_changed_file_is_proposed_as_a_difference_when_its_validity_ends(
    gate: Gate, web: Web, claims: Claims, clock: Clock
) -> None:
    web.files[URL] = mud("a.example.com")
    claim(gate)
    look(claims)
    asyncio.run(gate.approve_profile(CAMERA))
    web.files[URL] = mud("a.example.com", "tracker.example.net")
    look(claims)
    assert web.asked == [URL], "48 hours it is valid"
    clock.now += 48 * 3600
    look(claims)
    assert not gate.permitted(CAMERA, "tracker.example.net").allowed
    assert gate.permitted(CAMERA, "a.example.com").allowed
    [request] = request_views(gate, None)
    assert "entries new, 0 gone" in request.detail


def test_a_file_that_stayed_as_it_was_asks_the_owner_nothing(
    gate: Gate, web: Web, claims: Claims, clock: Clock
) -> None:
    document = json.loads(mud("a.example.com", "b.example.com"))
    document["ietf-mud:mud"]["last-update"] = "2026-01-01T00:00:00+00:00"
    web.files[URL] = json.dumps(document).encode()
    claim(gate)
    look(claims)
    first = gate.state.profiles("proposed", CAMERA)[CAMERA].aces[0].name
    asyncio.run(gate.approve_profile(CAMERA, only=[first]))
    clock.now += 48 * 3600
    look(claims)
    assert len(web.asked) == 2
    assert gate.state.profiles("proposed", CAMERA) == {}
    assert request_views(gate, None) == []


def test_approval_pins_what_was_claimed_whatever_the_file_calls_itself(gate: Gate, web: Web, claims: Claims) -> None:
    web.files[URL] = mud("a.example.com", url="https://other.example.net/x.json")
    claim(gate)
    look(claims)
    profile = gate.state.profiles("proposed", CAMERA)[CAMERA]
    assert profile.identity.mud_url == URL
    assert any("other.example.net" in part.what for part in profile.unsupported)


def test_a_device_that_names_ever_new_urls_has_one_a_minute_fetched(
    gate: Gate, web: Web, claims: Claims, clock: Clock
) -> None:
    for number in range(5):
        claim(gate, f"https://evil{number}.example.net/x.json")
        look(claims)
    assert len(web.asked) == 1
    clock.now += AGAIN_SECONDS
    look(claims)
    assert web.asked[-1] == "https://evil4.example.net/x.json"
    assert len(web.asked) == 2
