"""Elements handed to the kernel without a program in between: a look-up must not wait for one to start.

One netlink batch is one transaction, as with nft. Only elements of maps and sets without ranges are spoken here; the
rest goes by `nft`. Formats: Linux include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h.
"""

import ipaddress
import math
import os
import re
import socket
import struct
from collections.abc import Iterator, Mapping

from customhouse.gateway.ruleset.compile import Delta
from customhouse.gateway.ruleset.element import KINDS, TABLE, Entry, Kind, Part, Place

NETFILTER = 12
NFTABLES = 10
BATCH_BEGIN, BATCH_END = 16, 17
NEW_ELEMENT, DELETE_ELEMENT = (NFTABLES << 8) | 12, (NFTABLES << 8) | 14
REQUEST, ACKNOWLEDGE, CREATE = 0x1, 0x4, 0x400
ERROR = 2
NESTED = 0x8000
FAMILY = {"inet": 1, "bridge": 7}
VERDICT = {"return": -5, "goto": -4, "jump": -3}
LIST_TABLE, LIST_SET, LIST_ELEMENTS = 1, 2, 3
ELEMENT_KEY, ELEMENT_DATA, ELEMENT_TIMEOUT, ELEMENT_EXPIRATION = 1, 2, 4, 5
VALUE, JUDGED, CODE, CHAIN = 1, 2, 1, 2
A_MESSAGE = 150
"""Elements in one message: an attribute holds at most 64 KB."""
PATIENCE = 5.0


def prolongs(release: str) -> bool:
    """Whether a kernel gives an element that stands a new end when it is added once more (Linux 6.12 and later).

    Before that it has to be removed and added, and the next removal waits some ten milliseconds for all processors.
    """
    found = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", release)
    return found is not None and (int(found[1]), int(found[2])) >= (6, 12)


PROLONGS = prolongs(os.uname().release)


def speakable(delta: Delta) -> bool:
    """Whether the delta consists of nothing but elements without ranges, and not too many of them."""
    if delta.rebuild or delta.paces or delta.entry_paces or delta.dropped_chains:
        return False
    held = [*delta.add.items(), *delta.remove.items()]
    plain = all(not KINDS[place.table][place.name].interval for place, _ in held)
    return plain and 0 < sum(len(found) for _, found in held) <= 5_000


def hand_over(delta: Delta, now: float) -> None:
    """The whole delta in one transaction. Raises OSError when the kernel refuses it; nothing of it holds then."""
    messages = list(_messages(delta, now))
    if not messages:
        return
    last = len(messages)
    batch = [_message(BATCH_BEGIN, REQUEST, 0, 0, NFTABLES, b"")]
    for number, (kind, family, body) in enumerate(messages, 1):
        flags = REQUEST | (CREATE if kind == NEW_ELEMENT else 0) | (ACKNOWLEDGE if number == last else 0)
        batch.append(_message(kind, flags, number, family, 0, body))
    batch.append(_message(BATCH_END, REQUEST, last + 1, 0, NFTABLES, b""))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER) as kernel:
        kernel.settimeout(PATIENCE)
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        kernel.send(b"".join(batch))
        while not _acknowledged(kernel.recv(65536), last):
            continue


def _acknowledged(answer: bytes, last: int) -> bool:
    at = 0
    while at + 20 <= len(answer):
        size, kind, _, number = struct.unpack_from("=IHHI", answer, at)
        if kind == ERROR:
            code = struct.unpack_from("=i", answer, at + 16)[0]
            if code:
                raise OSError(-code, f"element message {number} of {last}")
            if number == last:
                return True
        at += max(16, (size + 3) & ~3)
    return False


def _message(kind: int, flags: int, number: int, family: int, resource: int, body: bytes) -> bytes:
    return (
        struct.pack("=IHHII", 20 + len(body), kind, flags, number, 0) + struct.pack(">BBH", family, 0, resource) + body
    )


def _messages(delta: Delta, now: float) -> Iterator[tuple[int, int, bytes]]:
    """Removals first. A timed element may have ended by itself, so it is added once more before it is removed."""
    for place, leaving in delta.remove.items():
        found = {key: entry for key, entry in leaving.items() if not (PROLONGS and _prolonged(delta, place, key, now))}
        if not found:
            continue
        timed = {key: entry for key, entry in found.items() if entry.until}
        yield from _lists(NEW_ELEMENT, place, timed, 0)
        yield from _lists(DELETE_ELEMENT, place, found, now)
    for place, found in delta.add.items():
        lasting = {key: entry for key, entry in found.items() if not entry.until or entry.until > now}
        yield from _lists(NEW_ELEMENT, place, lasting, now)


def _prolonged(delta: Delta, place: Place, key: tuple[Part, ...], now: float) -> bool:
    """Whether nothing but the element's end changes."""
    old, new = delta.remove[place][key], delta.add.get(place, {}).get(key)
    return new is not None and old.value == new.value and bool(old.until) and new.until > now


def _lists(
    verb: int, place: Place, found: Mapping[tuple[Part, ...], Entry], now: float
) -> Iterator[tuple[int, int, bytes]]:
    kind = KINDS[place.table][place.name]
    items = list(found.items())
    for start in range(0, len(items), A_MESSAGE):
        elements = b"".join(_element(kind, key, entry, verb, now) for key, entry in items[start : start + A_MESSAGE])
        body = _text(LIST_TABLE, TABLE) + _text(LIST_SET, place.name) + _attribute(LIST_ELEMENTS | NESTED, elements)
        yield verb, FAMILY[place.table], body


def _element(kind: Kind, key: tuple[Part, ...], entry: Entry, verb: int, now: float) -> bytes:
    whole = b"".join(_field(name, part) for name, part in zip(kind.key, key, strict=True))
    if len(kind.key) == 1:
        whole = whole[: LENGTHS[kind.key[0]]]
    body = _attribute(ELEMENT_KEY | NESTED, _attribute(VALUE, whole))
    if verb == NEW_ELEMENT:
        if kind.value:
            body += _attribute(ELEMENT_DATA | NESTED, _data(entry.value))
        if entry.until:
            milliseconds = 1000 if not now else max(1, math.ceil(entry.until - now)) * 1000
            time = struct.pack(">Q", milliseconds)
            body += _attribute(ELEMENT_TIMEOUT, time)
            if now:
                body += _attribute(ELEMENT_EXPIRATION, time)  # counts anew even where the timeout is the same
    return _attribute(1 | NESTED, body)


LENGTHS = {
    "mark": 4,
    "ipv4_addr": 4,
    "ipv6_addr": 16,
    "inet_proto": 1,
    "inet_service": 2,
    "ether_addr": 6,
    "ifname": 16,
}


def _field(kind: str, part: Part) -> bytes:
    """One field of a key, filled up to registers of four bytes."""
    match kind:
        case "mark":
            raw = struct.pack("=I", part)
        case "inet_proto":
            raw = struct.pack("B", part)
        case "inet_service":
            raw = struct.pack(">H", part)
        case "ipv4_addr" | "ipv6_addr":
            raw = ipaddress.ip_address(str(part)).packed
        case "ether_addr":
            raw = bytes.fromhex(str(part).replace(":", ""))
        case _:
            raw = str(part).encode().ljust(16, b"\0")
    return raw + bytes(-len(raw) % 4)


def _data(value: str | int) -> bytes:
    if isinstance(value, int):
        return _attribute(VALUE, struct.pack("=I", value))
    verb, _, chain = value.partition(":")
    verdict = _attribute(CODE, struct.pack(">i", VERDICT[verb]))
    return _attribute(JUDGED | NESTED, verdict + (_text(CHAIN, chain) if chain else b""))


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")
