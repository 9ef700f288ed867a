"""<arpa/inet.h>: addresses of the network as texts and as numbers."""

from ipaddress import IPv4Address, IPv6Address

from .calls import Answer, Call
from .numerals import BLANKS, integer

IPV4, IPV6 = 2, 10
_NONE = 0xFFFFFFFF


def loose(text: bytes) -> bytes | None:
    """An address as `inet_aton` takes it: of one to four numbers in any base, the last of which fills what is left."""
    parts: list[int] = []
    while True:
        if not text[:1].isdigit():
            return None
        value, used = integer(text, 0)
        parts.append(value)
        text = text[used:]
        if text[:1] != b"." or len(parts) == 4:
            break
        text = text[1:]
    *first, last = parts
    left = 4 - len(first)
    if (text and text[0] not in BLANKS) or last >> 8 * left or any(one > 255 for one in first):
        return None
    return bytes(first) + last.to_bytes(left, "big")


def strict(text: bytes, family: int) -> bytes | None:
    """An address as `inet_pton` takes it."""
    try:
        made = text.decode("ascii")
        if "%" in made or "/" in made:
            return None
        return IPv4Address(made).packed if family == IPV4 else IPv6Address(made).packed
    except ValueError:
        return None


def written(packed: bytes) -> bytes:
    """An address as `inet_ntop` writes it."""
    if len(packed) == 4:
        return str(IPv4Address(packed)).encode()
    if packed[:12] in (bytes(12), bytes(10) + b"\xff\xff") and (packed[10] or packed[12:14] != b"\0\0"):
        return (b"::ffff:" if packed[10] else b"::") + written(packed[12:])
    return str(IPv6Address(packed)).encode()


def _told(call: Call, text: bytes, found: bytes | None) -> None:
    """Say which address was read; none that there was no address."""
    call.compared("address", text, b"" if found is None else written(found))


def _number(call: Call) -> int:
    text = call.text(0)
    found = loose(text)
    _told(call, text, found)
    return _NONE if found is None else int.from_bytes(found, call.ram.order)


def _to_number(call: Call) -> int:
    """inet_aton."""
    text = call.text(0)
    found = loose(text)
    _told(call, text, found)
    if found is None:
        return 0
    if call.number(1):
        call.ram.write(call.number(1), found)
    return 1


def _to_bytes(call: Call) -> int:
    """inet_pton."""
    family, text = call.int32(0), call.text(1)
    if family not in (IPV4, IPV6):
        return call.ram.mask
    found = strict(text, family)
    _told(call, text, found)
    if found is not None:
        call.ram.write(call.number(2), found)
    return int(found is not None)


def _to_text(call: Call) -> int:
    """inet_ntoa."""
    packed = (call.number(0) & _NONE).to_bytes(4, call.ram.order)
    return int(call.host.constant(written(packed)))


def _into_text(call: Call) -> int:
    """inet_ntop."""
    family, target, size = call.int32(0), call.number(2), call.number(3) & _NONE
    if family not in (IPV4, IPV6):
        return 0
    text = written(call.ram.read(call.number(1), 4 if family == IPV4 else 16))
    if len(text) >= size:
        return 0
    call.ram.write(target, text + b"\0")
    return target


ANSWERS: dict[str, Answer] = {
    "inet_addr": _number,
    "inet_aton": _to_number,
    "inet_pton": _to_bytes,
    "inet_ntoa": _to_text,
    "inet_ntop": _into_text,
}
