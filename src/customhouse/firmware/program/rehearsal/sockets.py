"""Sockets: who is bound where, connections, and what is sent and received over them."""

from .calls import Answer, Call
from .codes import code, failed
from .descriptors import MOST, hear, is_ready, new, opened, pair, scatter, store, tell, vectors
from .waiting import timeval
from .world import DEVICE, PATIENCE, PEER, Open

_PEERS_PORT = 40000
_LOCAL_FAMILIES = (1, 16)
_IPV4, _IPV6 = 2, 10
_PEEK, _WAIT_ALL, _DONT_WAIT = 2, 0x100, 0x40
_KIND = 15
_LOOPBACK = 127
_REFUSAL = 1.0
"""Seconds until it is known that nobody is there to connect to."""
_NEW_LIMIT = 66
"""SO_RCVTIMEO_NEW: with seconds of 64 bits on machines of 32."""


def _socket(call: Call) -> int:
    family, asked = call.number(0), call.number(1)
    kinds = {code(call, "SOCK_STREAM"): "listening", code(call, "SOCK_DGRAM"): "datagrams"}
    one = Open(kinds.get(asked & _KIND, "silent"), family=family)
    one.local, one.waits = family in _LOCAL_FAMILIES, not asked & code(call, "O_NONBLOCK")
    if family not in (*_LOCAL_FAMILIES, _IPV4, _IPV6):
        one.kind = "silent"
    one.bounded = one.local and one.kind == "datagrams"
    return new(call, one)


def _socket_pair(call: Call) -> int:
    ends = pair()
    for index, one in enumerate(ends):
        one.local, one.bounded = True, call.number(1) & _KIND != code(call, "SOCK_STREAM")
        one.waits = not call.number(1) & code(call, "O_NONBLOCK")
        call.ram.store(call.number(3) + 4 * index, new(call, one), 4)
    return 0


# -- addresses
def _address(call: Call, at: int, size: int) -> bytes | int:
    """A path, or a port."""
    raw = call.ram.read(at, max(4, min(size, 110)))
    if int.from_bytes(raw[:2], call.ram.order) == 1:
        return raw[2:3] + raw[3:].split(b"\0")[0]
    return int.from_bytes(raw[2:4], "big")


def _is_loopback(call: Call, at: int) -> bool:
    return int.from_bytes(call.ram.read(at, 2), call.ram.order) == _IPV4 and call.ram.load(at + 4, 1) == _LOOPBACK


def _inside(call: Call, one: Open, at: int, size: int) -> Open | None:
    """Who on the device itself is bound to an address."""
    if not at or not (one.local or _is_loopback(call, at)):
        return None
    found = call.host.world.bound.get(_address(call, at, size))
    return found if isinstance(found, Open) else None


def _tell_address(call: Call, one: Open, at: int, size_at: int, host: tuple[int, ...], port: int) -> None:
    """Store an address, as far as there is room."""
    if not at:
        return
    order, numbers = call.ram.order, bytes(host)
    raw = one.family.to_bytes(2, order) + port.to_bytes(2, "big")
    if one.local:
        raw = raw[:2]
    elif one.family == _IPV6:
        raw += bytes(4) + bytes(10) + b"\xff\xff" + numbers + bytes(4)
    else:
        raw += numbers + bytes(8)
    room = min(call.ram.load(size_at, 4), len(raw)) if size_at else len(raw)
    call.ram.write(at, raw[:room])
    if size_at:
        call.ram.store(size_at, len(raw), 4)


def _tell_peer(call: Call, one: Open, at: int, size_at: int) -> None:
    _tell_address(call, one, at, size_at, PEER, _PEERS_PORT)


def _bind(call: Call) -> int:
    one, world = opened(call, call.int32(0)), call.host.world
    if one is None:
        return failed(call, "EBADF")
    address = _address(call, call.number(1), call.number(2))
    if isinstance(address, int):
        if one.local:
            return 0
        one.port = address
        world.ports.add(address)
    world.bound[address] = one
    return 0


# -- connections
def _accept(call: Call) -> int:
    one, world = opened(call, call.int32(0)), call.host.world
    if one is None:
        return failed(call, "EBADF")
    if not is_ready(call, one):
        return failed(call, "EAGAIN")
    if one.pending:
        made = one.pending.pop(0)
    else:
        made = Open("connection", family=one.family, port=one.port)
        world.connect(made)
    made.waits = not (call.name == "accept4" and call.number(3) & code(call, "O_NONBLOCK"))
    _tell_peer(call, made, call.number(1), call.number(2))
    return new(call, made)


def _connect(call: Call) -> int:
    """The program calls someone: a server of its own, or a peer that answers with the session that is next."""
    one, world = opened(call, call.int32(0)), call.host.world
    if one is None:
        return failed(call, "EBADF")
    inside = _inside(call, one, call.number(1), call.number(2))
    if one.kind == "datagrams":
        one.peer = inside
        return 0
    if one.kind != "listening":
        return 0
    if inside is not None:
        _join(one, inside)
        return 0
    if one.local or not _calls_the_peer(call, one):
        one.kind, one.over = "connection", world.clock + PATIENCE
        return 0
    waits = None if world.left else _REFUSAL
    if not call.host.wait(waits, lambda: world.may_begin and world.left):
        return failed(call, "ECONNREFUSED")
    world.connect(one)
    return 0


def _calls_the_peer(call: Call, one: Open) -> bool:
    world = call.host.world
    return world.is_meant(one) or world.port not in world.ports


def _join(one: Open, server: Open) -> None:
    """Connect two sockets of the device."""
    other = Open("pair", family=one.family, local=one.local)
    one.kind, one.peer, other.peer = "pair", other, one
    other.holders = 1
    server.pending.append(other)


# -- sending and receiving
def _send(call: Call) -> int:
    one = opened(call, call.int32(0))
    if one is None:
        return failed(call, "EBADF")
    target = _inside(call, one, call.number(4), call.number(5)) if call.name == "sendto" else None
    return _sent(call, one, target, call.ram.read(call.number(1), min(call.number(2), MOST)))


def _sent(call: Call, one: Open, target: Open | None, data: bytes) -> int:
    target = target or (one.peer if one.kind == "datagrams" else None)
    if target is not None and target.kind == "datagrams":
        target.messages.append(data)
        return len(data)
    return tell(call, one, data)


def _send_message(call: Call) -> int:
    one, header, word = opened(call, call.int32(0)), call.number(1), call.word_size
    if one is None:
        return failed(call, "EBADF")
    parts = vectors(call, call.ram.word(header + 2 * word), call.ram.word(header + 3 * word))
    data = b"".join(call.ram.read(at, min(size, MOST)) for at, size in parts)
    return _sent(call, one, _inside(call, one, call.ram.word(header), call.ram.load(header + word, 4)), data)


def _heard(call: Call, one: Open, size: int, flags: int) -> bytes | None:
    return hear(call, one, min(size, MOST), bool(flags & _PEEK), bool(flags & _DONT_WAIT), bool(flags & _WAIT_ALL))


def _receive(call: Call, flags_at: int = 3) -> int:
    """recv; its fortified variant is given the size of the buffer in front of the flags."""
    one = opened(call, call.int32(0))
    return (
        failed(call, "EBADF") if one is None else store(call, _heard(call, one, call.number(2), call.number(flags_at)))
    )


def _receive_from(call: Call, flags_at: int = 3) -> int:
    one = opened(call, call.int32(0))
    given = _receive(call, flags_at)
    if one is not None and given != call.ram.mask:
        _tell_peer(call, one, call.number(flags_at + 1), call.number(flags_at + 2))
    return given


def _receive_message(call: Call) -> int:
    one, header, word = opened(call, call.int32(0)), call.number(1), call.word_size
    if one is None:
        return failed(call, "EBADF")
    parts = vectors(call, call.ram.word(header + 2 * word), call.ram.word(header + 3 * word))
    given = scatter(call, parts, _heard(call, one, sum(size for _, size in parts), call.number(2)))
    if given != call.ram.mask:
        _tell_peer(call, one, call.ram.word(header), 0)
        call.ram.store(header + 5 * word, 0, word)
        call.ram.store(header + 6 * word, 0, 4)
    return given


# -- what is asked and set
def _name(call: Call) -> int:
    """getpeername, getsockname"""
    one = opened(call, call.int32(0))
    if one is None:
        return failed(call, "EBADF")
    host, port = (PEER, _PEERS_PORT) if call.name == "getpeername" else (DEVICE, one.port or _PEERS_PORT + 1)
    _tell_address(call, one, call.number(1), call.number(2), host, port)
    return 0


def _set_option(call: Call) -> int:
    one = opened(call, call.int32(0))
    is_limit = call.number(2) in (code(call, "SO_RCVTIMEO"), _NEW_LIMIT)
    if one is not None and call.number(1) == code(call, "SOL_SOCKET") and is_limit and call.number(3):
        one.limit = timeval(call, call.number(3), 1_000_000) or None
    return 0


def _get_option(call: Call) -> int:
    """No option is set, and no error is waiting."""
    at, size_at = call.number(3), call.number(4)
    if at and size_at:
        call.ram.write(at, bytes(min(call.ram.load(size_at, 4), 64)))
    return 0


def _addresses(call: Call) -> int:
    """getaddrinfo: one address, that of the peer, or one to be bound to."""
    ram, word = call.ram, call.word_size
    at = call.host.allocate(96)
    service = call.text(1) if call.number(1) else b"0"
    address = at + 64
    port = int(service if service.isdigit() else b"80") & 0xFFFF
    ram.write(address, _IPV4.to_bytes(2, ram.order) + port.to_bytes(2, "big"))
    ram.write(address + 4, bytes(PEER) if call.number(0) else bytes(4))
    stream = code(call, "SOCK_STREAM")
    kind = ram.load(call.number(2) + 8, 4) if call.number(2) else stream
    for index, value in enumerate((0, _IPV4, kind or stream, 0, 16)):
        ram.store(at + 4 * index, value, 4)
    ram.store(at + (24 if word == 8 else 20), address, word)
    ram.store(call.number(3), at, word)
    return 0


def _host_entry(call: Call) -> int:
    """gethostbyname"""
    ram, word, host = call.ram, call.word_size, call.host
    at, table, address = host.place("hostent", 64), host.place("hostent addresses", 32), host.constant(bytes(PEER))
    ram.store(table, address, word)
    ram.store(at, host.constant(call.text(0)), word)
    ram.store(at + word, table + word, word)
    ram.store(at + 2 * word, _IPV4, 4)
    ram.store(at + 2 * word + 4, 4, 4)
    ram.store(at + 2 * word + 8, table, word)
    return int(at)


ANSWERS: dict[str, Answer] = {
    "socket": _socket,
    "socketpair": _socket_pair,
    "bind": _bind,
    **dict.fromkeys(("accept", "accept4"), _accept),
    "connect": _connect,
    **dict.fromkeys(("send", "sendto"), _send),
    "sendmsg": _send_message,
    "recv": _receive,
    "recvfrom": _receive_from,
    "__recv_chk": lambda call: _receive(call, 4),
    "__recvfrom_chk": lambda call: _receive_from(call, 4),
    "recvmsg": _receive_message,
    **dict.fromkeys(("getpeername", "getsockname"), _name),
    "setsockopt": _set_option,
    "getsockopt": _get_option,
    "getaddrinfo": _addresses,
    "gethostbyname": _host_entry,
}
