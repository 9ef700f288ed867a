"""The kernel's memory of drops, in the owner's terms."""

from customhouse.gateway.control.blocks import Block, blocks_of
from customhouse.gateway.control.state import DeviceRecord
from customhouse.gateway.ruleset.element import mark_of

MAC = "02:00:00:00:00:0a"


def record() -> DeviceRecord:
    fields = dict.fromkeys(DeviceRecord._fields, "")
    return DeviceRecord(**{**fields, "id": MAC, "number": 7})  # type: ignore[arg-type]


def test_marks_and_hardware_addresses_name_the_device() -> None:
    kept = [
        ("inet", "blocked_out4", (mark_of(7), "203.0.113.9", "tcp", 23)),
        ("bridge", "blocked_other_out4", (MAC, "192.168.77.12", "icmp")),
        ("inet", "blocked_out4", (mark_of(0), "203.0.113.9", "tcp", 23)),
        ("bridge", "blocked_out4", ("02:00:00:00:00:ff", "192.168.77.12", "udp", 9)),
    ]
    assert blocks_of(kept, [record()]) == [
        Block(MAC, "203.0.113.9", "tcp/23"),
        Block(MAC, "192.168.77.12", "icmp"),
    ]


def test_what_others_tried_and_idle_talk_are_no_wishes_of_the_device() -> None:
    kept = [
        ("inet", "blocked_in4", (mark_of(7), "203.0.113.9", "tcp", 23)),
        ("bridge", "blocked_other_out6", (MAC, "ff02::16", "ipv6-icmp")),
        ("bridge", "blocked_other_out4", (MAC, "224.0.0.22", "igmp")),
        ("bridge", "blocked_out4", (MAC, "255.255.255.255", "udp", 67)),
    ]
    assert blocks_of(kept, [record()]) == []
