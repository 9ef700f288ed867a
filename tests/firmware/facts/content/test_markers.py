"""Each marker has a sample that must match and one that must not."""

import pytest

from customhouse.firmware.facts import facts_of_bytes
from customhouse.firmware.facts.content import ContentExtractor
from customhouse.firmware.facts.content.markers import MARKERS, Marker


def _markers(data: bytes) -> dict[str, tuple[int, ...]]:
    content = facts_of_bytes(data, (ContentExtractor(),)).content
    return content.markers if content is not None else {}


@pytest.mark.parametrize("marker", MARKERS, ids=lambda marker: marker.name)
def test_a_marker_matches_its_sample_and_not_its_counter(marker: Marker) -> None:
    assert marker.name in _markers(marker.sample.encode() + b"\n")
    assert marker.name in _markers(b"\x00\x01" + marker.sample.encode() + b"\x00")
    assert marker.name not in _markers(marker.counter.encode() + b"\n")


def test_names_are_used_once() -> None:
    assert len({marker.name for marker in MARKERS}) == len(MARKERS)
