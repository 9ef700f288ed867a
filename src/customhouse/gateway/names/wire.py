"""DNS messages on the wire (RFC 1035, 2782, 3596, 6891): only what a proxy needs, and quickly.

A general library spends several hundred microseconds a packet; this one has thousands of packets a second to read on
a gateway's processor. All bytes are hostile: everything that does not fit raises `BadMessage`.
"""

import ipaddress
import struct
from typing import NamedTuple

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, SVCB, HTTPS, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 64, 65, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
NAME_MOST = 253
"""Characters of a name in text, without the last dot."""
_LABEL_MOST = 63
_JUMPS_MOST = 16
_RECORDS_MOST = 200
_HEADER = struct.Struct(">6H")
_FIXED = struct.Struct(">HHIH")


class BadMessage(ValueError):
    """Not a DNS message that this proxy understands."""


class Question(NamedTuple):
    """`name` in lower case without the last dot; `spelled` as it came, to be given back so (case may carry a nonce)."""

    name: str
    type: int
    spelled: bytes


class Query(NamedTuple):
    """What a device asked. `payload` is the largest answer it can take over UDP, in bytes."""

    id: int
    question: Question
    recursion_desired: bool
    payload: int


class Record(NamedTuple):
    """A resource record. `data` is an address or a name as text, or the wire form (TXT, and SRV without its target)."""

    name: str
    type: int
    ttl: int
    data: str | bytes
    target: str = ""
    """Of SRV."""


class Response(NamedTuple):
    """What an upstream said, its additional and authority sections left out."""

    id: int
    code: int
    truncated: bool
    question: Question
    records: tuple[Record, ...]


def read_query(packet: bytes) -> Query:
    """A standard query with one question. Raises `BadMessage`."""
    identifier, flags, questions, answers, authorities, additionals = _header(packet)
    if flags & 0x8000 or flags & 0x7800 or questions != 1 or answers or authorities:
        raise BadMessage("not a plain query with one question")
    question, at = _question(packet, 12)
    payload = 512
    for _ in range(min(additionals, 4)):
        kind, size, at = _pseudo_record(packet, at)
        if kind == OPT:
            payload = max(512, min(size, 1232))
    return Query(identifier, question, bool(flags & 0x0100), payload)


def read_response(packet: bytes) -> Response:
    """An answer with one question. Raises `BadMessage`."""
    identifier, flags, questions, answers, _, _ = _header(packet)
    if not flags & 0x8000 or questions != 1 or answers > _RECORDS_MOST:
        raise BadMessage("not an answer to one question")
    question, at = _question(packet, 12)
    truncated = bool(flags & 0x0200)
    records: list[Record] = []
    for _ in range(answers):
        try:
            record, at = _record(packet, at)
        except BadMessage:
            if truncated:  # what was cut off is asked for again over TCP
                break
            raise
        if record is not None:
            records.append(record)
    return Response(identifier, flags & 0xF, truncated, question, tuple(records))


def write_query(identifier: int, name: str, kind: int) -> bytes:
    """A recursive query for an Internet name, with room for 1,232 bytes over UDP (RFC 6891)."""
    options = b"\0" + _FIXED.pack(OPT, 1232, 0, 0)
    return _HEADER.pack(identifier, 0x0100, 1, 0, 0, 1) + name_to_wire(name) + struct.pack(">HH", kind, IN) + options


def write_response(query: Query, code: int, records: tuple[Record, ...] = (), most: int = 65535) -> bytes:
    """The answer to `query`; where it is longer than `most` bytes it is cut to nothing and says so (TC)."""
    flags = 0x8080 | (0x0100 if query.recursion_desired else 0) | code
    question = query.question.spelled + struct.pack(">HH", query.question.type, IN)
    known = {query.question.name: 12}
    body = bytearray(_HEADER.pack(query.id, flags, 1, len(records), 0, 0) + question)
    for record in records:
        _append(body, record, known)
    if len(body) > most:
        return _HEADER.pack(query.id, flags | 0x0200, 1, 0, 0, 0) + question
    return bytes(body)


def ttl_places(answer: bytes) -> tuple[tuple[int, int], ...]:
    """(offset, seconds) of each TTL in an answer that `write_response` wrote."""
    count = struct.unpack_from(">H", answer, 6)[0]
    _, at = _name(answer, 12)
    at += 4
    found: list[tuple[int, int]] = []
    for _ in range(count):
        _, at = _name(answer, at)
        _, _, ttl, size = _FIXED.unpack_from(answer, at)
        found.append((at + 4, ttl))
        at += _FIXED.size + size
    return tuple(found)


def write_error(packet: bytes, code: int) -> bytes | None:
    """An answer to something that is hardly a query; None where it deserves none (too short, or an answer itself)."""
    if len(packet) < _HEADER.size or packet[2] & 0x80:
        return None
    identifier, flags = struct.unpack_from(">HH", packet)
    return _HEADER.pack(identifier, 0x8080 | (flags & 0x7900) | code, 0, 0, 0, 0)


def name_to_wire(name: str) -> bytes:
    """Raises `BadMessage` for a name that has no wire form."""
    if not name:
        return b"\0"
    try:
        labels = [label.encode("latin-1") for label in name.split(".")]
    except UnicodeEncodeError:
        raise BadMessage("a name outside of ASCII") from None
    if len(name) > NAME_MOST or any(not 0 < len(label) <= _LABEL_MOST for label in labels):
        raise BadMessage("a label or name of impossible length")
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def _header(packet: bytes) -> tuple[int, int, int, int, int, int]:
    if len(packet) < _HEADER.size:
        raise BadMessage("shorter than a header")
    return _HEADER.unpack_from(packet)


def _question(packet: bytes, at: int) -> tuple[Question, int]:
    name, end = _name(packet, at)
    if end + 4 > len(packet):
        raise BadMessage("the question is cut off")
    kind, klass = struct.unpack_from(">HH", packet, end)
    if klass != IN:
        raise BadMessage("not of the Internet class")
    if any(byte & 0xC0 for byte in packet[at : at + 1]):
        raise BadMessage("a compressed question")
    return Question(name, kind, packet[at:end]), end + 4


def _name(packet: bytes, at: int) -> tuple[str, int]:
    """The name at `at` in lower case, and where reading goes on. Labels with dots or bytes no host has are refused."""
    labels: list[bytes] = []
    length, jumps, end = 0, 0, -1
    while True:
        if at >= len(packet):
            raise BadMessage("a name is cut off")
        size = packet[at]
        if size >= 0xC0:
            if at + 1 >= len(packet):
                raise BadMessage("a pointer is cut off")
            end = at + 2 if end < 0 else end
            target = (size & 0x3F) << 8 | packet[at + 1]
            jumps += 1
            if jumps > _JUMPS_MOST or target >= at:
                raise BadMessage("a pointer that does not go back")
            at = target
            continue
        if size > _LABEL_MOST:
            raise BadMessage("an unknown kind of label")
        at += 1
        if size == 0:
            break
        label = packet[at : at + size]
        length += size + 1
        if len(label) < size or length > NAME_MOST + 1:
            raise BadMessage("a name is cut off or too long")
        labels.append(label)
        at += size
    joined = b".".join(labels).lower()
    if joined.count(b".") != max(0, len(labels) - 1) or not all(0x21 <= byte <= 0x7E for byte in joined):
        raise BadMessage("a name with bytes that no host name has")
    return joined.decode("ascii"), at if end < 0 else end


def _pseudo_record(packet: bytes, at: int) -> tuple[int, int, int]:
    _, at = _name(packet, at)
    if at + _FIXED.size > len(packet):
        raise BadMessage("a record is cut off")
    kind, klass, _, size = _FIXED.unpack_from(packet, at)
    return kind, klass, at + _FIXED.size + size


def _record(packet: bytes, at: int) -> tuple[Record | None, int]:
    """The record at `at`, None for a type that is not passed on; and where the next one starts."""
    name, at = _name(packet, at)
    if at + _FIXED.size > len(packet):
        raise BadMessage("a record is cut off")
    kind, klass, ttl, size = _FIXED.unpack_from(packet, at)
    at += _FIXED.size
    end = at + size
    if end > len(packet):
        raise BadMessage("a record is cut off")
    ttl = 0 if ttl & 0x80000000 else ttl  # RFC 2181 section 8
    if klass != IN:
        return None, end
    return _decoded(packet, name, kind, ttl, at, end), end


def _decoded(packet: bytes, name: str, kind: int, ttl: int, at: int, end: int) -> Record | None:
    size = end - at
    if kind in (A, AAAA):
        if size != (4 if kind == A else 16):
            raise BadMessage("an address of impossible length")
        return Record(name, kind, ttl, str(ipaddress.ip_address(packet[at:end])))
    if kind == CNAME:
        target, stop = _name(packet, at)
        if stop != end:
            raise BadMessage("an alias longer than its record")
        return Record(name, kind, ttl, target)
    if kind == TXT:
        return Record(name, kind, ttl, packet[at:end])
    if kind == SRV and size > 6:
        target, stop = _name(packet, at + 6)
        if stop != end:
            raise BadMessage("a target longer than its record")
        return Record(name, kind, ttl, packet[at : at + 6], target)
    return None


def _append(body: bytearray, record: Record, known: dict[str, int]) -> None:
    _append_name(body, record.name, known)
    if record.type in (A, AAAA):
        data = ipaddress.ip_address(record.data).packed
    elif record.type == CNAME:
        data = name_to_wire(str(record.data))
    elif record.type == SRV:
        data = bytes(record.data) + name_to_wire(record.target)  # type: ignore[arg-type]  # SRV's data is bytes
    else:
        data = bytes(record.data)  # type: ignore[arg-type]  # TXT's data is bytes
    start = len(body) + _FIXED.size
    body += _FIXED.pack(record.type, IN, record.ttl, len(data)) + data
    if record.type == CNAME and start < 0x4000:
        known.setdefault(str(record.data), start)


def _append_name(body: bytearray, name: str, known: dict[str, int]) -> None:
    at = known.get(name)
    if at is not None:
        body += struct.pack(">H", 0xC000 | at)
        return
    if len(body) < 0x4000:
        known[name] = len(body)
    body += name_to_wire(name)
