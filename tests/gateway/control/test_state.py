import sqlite3
from pathlib import Path

import pytest

from customhouse.gateway.control.state import REQUESTS_MOST, LearnedName, State, UnknownDevice
from customhouse.host.errors import CustomhouseError, InputError
from customhouse.model import Ace, DeviceProfile, Identity, Peer, PeerKind, PortRange, ProfileSource

CAMERA, PLUG = "02:00:00:00:00:01", "02:00:00:00:00:02"
CLOUD = Ace(
    name="cloud",
    direction="from-device",
    peer=Peer(kind=PeerKind.DNS_NAME, value="cloud.example.org"),
    protocol="tcp",
    ports=(PortRange(first=443, last=443),),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def state(path: Path) -> State:
    state = State(path)
    state.saw(CAMERA, 100.0, "IP Camera")
    return state


def reopened(state: State, path: Path) -> State:
    state.close()
    return State(path)


def test_a_new_device_is_held_and_new_only_once(state: State) -> None:
    assert state.saw(PLUG, 200.0)
    assert not state.saw(PLUG, 300.0)
    assert [(d.id, d.mode) for d in state.devices()] == [(CAMERA, "held"), (PLUG, "held")]


def test_an_approval_survives_a_restart_and_ends_in_its_time(state: State, path: Path) -> None:
    state.approve(CAMERA, CLOUD, now=100.0, until=160.0, why="setup")
    state = reopened(state, path)
    assert [a.ace for a in state.approvals(now=159.0)] == [CLOUD]
    assert state.next_expiry(now=159.0) == 160.0
    assert state.approvals(now=161.0) == []


def test_an_approval_can_be_taken_back(state: State) -> None:
    state.approve(CAMERA, CLOUD, now=100.0)
    assert state.withdraw(CAMERA, CLOUD, now=101.0)
    assert not state.withdraw(CAMERA, CLOUD, now=102.0)
    assert state.approvals(now=103.0) == []


def test_quarantine_forgets_what_the_device_had_learned(state: State) -> None:
    state.learn([LearnedName(CAMERA, "cloud.example.org", "93.184.216.34", 500.0)])
    state.quarantine(CAMERA, 120.0, "scans its neighbours")
    assert state.learned(now=130.0) == []
    assert state.quarantines()[CAMERA].why == "scans its neighbours"
    assert state.release(CAMERA, 140.0)
    assert state.quarantines() == {}


def test_learned_names_survive_a_restart_until_they_expire(state: State, path: Path) -> None:
    state.learn([LearnedName(CAMERA, "cloud.example.org", "93.184.216.34", 500.0)])
    state.learn([LearnedName(CAMERA, "cloud.example.org", "93.184.216.34", 400.0)])
    state = reopened(state, path)
    assert [entry.until for entry in state.learned(now=450.0)] == [500.0]
    assert state.learned(now=500.0) == []


def test_the_same_request_again_only_counts_up(state: State) -> None:
    assert state.request(CAMERA, "name", "evil.example.net", "", 100.0)
    assert not state.request(CAMERA, "name", "evil.example.net", "", 110.0)
    [request] = state.requests(CAMERA)
    assert (request.times, request.first, request.last) == (2, 100.0, 110.0)


def test_a_device_cannot_fill_the_queue_of_others(state: State) -> None:
    state.saw(PLUG, 100.0)
    for number in range(REQUESTS_MOST + 20):
        state.request(CAMERA, "name", f"n{number}.example.net", "", 100.0)
    assert len(state.requests(CAMERA)) == REQUESTS_MOST
    assert state.request(PLUG, "name", "time.example.org", "", 100.0)


def test_what_a_device_calls_itself_is_kept_short_and_printable(state: State) -> None:
    state.saw(PLUG, 100.0, "\x1b[2J" + "x" * 5000)
    claimed = state.find(PLUG).claimed
    assert "\x1b" not in claimed
    assert len(claimed) == 200


def test_a_profile_comes_back_as_it_went_in(state: State, path: Path) -> None:
    profile = DeviceProfile(identity=Identity(mac=CAMERA), source=ProfileSource(kind="toml"), aces=(CLOUD,))
    state.put_profile(CAMERA, "approved", profile, 100.0)
    assert reopened(state, path).profiles() == {CAMERA: profile}


def test_a_profile_that_cannot_be_read_any_more_leaves_its_device_without_one(state: State, path: Path) -> None:
    profile = DeviceProfile(identity=Identity(), source=ProfileSource(kind="toml"))
    state.put_profile(CAMERA, "approved", profile, 100.0)
    with sqlite3.connect(path) as other:
        other.execute("update profiles set profile = '{\"aces\": 7}'")
    assert state.profiles() == {}


def test_a_device_is_found_by_name_and_an_unknown_one_is_an_error(state: State) -> None:
    state.rename(CAMERA, "Garden")
    assert state.find("garden").id == CAMERA
    with pytest.raises(UnknownDevice, match="fridge"):
        state.find("fridge")


def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "photos.sqlite"
    with sqlite3.connect(foreign) as other:
        other.execute("create table photos(x)")
    before = foreign.read_bytes()
    with pytest.raises(InputError, match="not a gateway's memory"):
        State(foreign)
    assert foreign.read_bytes() == before


def test_a_full_disk_changes_nothing_and_says_so(state: State, path: Path) -> None:
    state._db.execute("pragma max_page_count = 1")  # SQLite's own "disk is full"
    with pytest.raises(CustomhouseError, match="full"):
        for number in range(1000):
            state.request(CAMERA, "name", f"{number}" * 40, "y" * 190, 100.0)
    state._db.execute("pragma max_page_count = 1073741823")
    assert state.find(CAMERA).mode == "held"
