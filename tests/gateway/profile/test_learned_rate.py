"""A pace from what was seen: generous, of few classes, and explained."""

import json

import pytest

from customhouse.gateway.packet import IPV4, UDP, Packet
from customhouse.gateway.profile.capture import learn_profile
from customhouse.gateway.profile.explain import explain
from customhouse.gateway.profile.learned_rate import busiest, learned_rate, paces
from customhouse.gateway.profile.mud import read_mud
from customhouse.gateway.profile.write import write_mud

DEVICE, ROUTER = "02:00:00:00:00:0a", "02:00:00:00:00:01"


def sends(size: int, every: float, seconds: float, mac: str = DEVICE) -> list[Packet]:
    return [
        Packet(1000 + number * every, mac, ROUTER, IPV4, "10.0.0.5", "9.9.9.9", UDP, 123, 123, 0, (0, 0), size)
        for number in range(int(seconds / every) + 1)
    ]


@pytest.mark.parametrize(
    ("size", "every", "name"),
    [
        (90, 2.0, "thermometer"),
        (500, 0.5, "switch"),
        (1000, 0.3, "hub"),
        (1200, 0.01, "camera"),
        (1400, 0.001, "player"),
    ],
)
def test_the_class_holds_four_times_the_busiest_minute(size: int, every: float, name: str) -> None:
    capture = sends(size, every, 65)
    rate = learned_rate([capture], DEVICE)
    assert rate is not None
    assert rate.basis.startswith(f"class {name}:")
    assert rate.bits_per_second >= 4 * busiest([capture], DEVICE).minute * 8 / 60
    slower = [each.bits_per_second for each in paces().classes if each.bits_per_second < rate.bits_per_second]
    assert all(speed < 4 * busiest([capture], DEVICE).minute * 8 / 60 for speed in slower)


def test_a_thermometer_gets_ten_kilobits() -> None:
    rate = learned_rate([sends(100, 10, 600)], DEVICE)
    assert rate is not None and rate.bits_per_second == 10_000


def test_a_burst_that_was_seen_passes_four_times_over() -> None:
    burst = sends(1000, 0.001, 0.5)
    rate = learned_rate([[*burst, *sends(60, 5, 120)]], DEVICE)
    assert rate is not None and rate.burst >= 4 * 501 * 1000


def test_the_busiest_of_several_captures_counts_and_only_what_the_device_sends() -> None:
    quiet, busy, other = sends(90, 2, 60), sends(1000, 0.3, 60), sends(1400, 0.001, 60, mac=ROUTER)
    both = learned_rate([[*quiet, *other], busy], DEVICE)
    assert both == learned_rate([busy], DEVICE)


@pytest.mark.parametrize(
    "capture", [[], sends(90, 0.1, 10), sends(90, 30, 300), [p._replace(time=0.0) for p in sends(90, 1, 100)]]
)
def test_too_little_to_go_by_gives_no_rate(capture: list[Packet]) -> None:
    assert learned_rate([capture], DEVICE) is None


def test_nothing_is_fast_enough_for_everything() -> None:
    assert learned_rate([sends(60_000, 0.001, 40)], DEVICE) is None


def test_the_reason_is_told_and_travels_in_the_mud_file() -> None:
    profile = learn_profile([sends(90, 2, 65)], DEVICE)
    assert profile.rate is not None
    assert any("10 kbit/s" in line and "class thermometer" in line for line in explain(profile))
    text = write_mud(profile, "https://me.example/thing.json")
    assert "class thermometer" in json.loads(text)["ietf-mud:mud"]["customhouse:rate"]["basis"]
    again = read_mud(text.encode(), "thing.json")
    assert again.rate is not None and again.rate == profile.rate
    assert again.unsupported == ()


def test_the_table_goes_from_slow_to_fast() -> None:
    speeds = [each.bits_per_second for each in paces().classes]
    assert speeds == sorted(set(speeds))
    assert paces().margin > 1
