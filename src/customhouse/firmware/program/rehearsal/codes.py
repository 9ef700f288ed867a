"""Numbers of the kernel's interface, of which MIPS has its own."""

from .calls import Call

_CODES: dict[str, tuple[int, int]] = {
    "ECHILD": (10, 10),
    "ENOENT": (2, 2),
    "EINTR": (4, 4),
    "EBADF": (9, 9),
    "EAGAIN": (11, 11),
    "EBUSY": (16, 16),
    "EEXIST": (17, 17),
    "EINVAL": (22, 22),
    "ESPIPE": (29, 29),
    "ETIMEDOUT": (110, 145),
    "ECONNREFUSED": (111, 146),
    "O_CREAT": (0x40, 0x100),
    "O_EXCL": (0x80, 0x400),
    "O_TRUNC": (0x200, 0x200),
    "O_APPEND": (0x400, 0x8),
    "O_NONBLOCK": (0x800, 0x80),
    "SOCK_STREAM": (1, 2),
    "SOCK_DGRAM": (2, 1),
    "SOL_SOCKET": (1, 0xFFFF),
    "SO_RCVTIMEO": (20, 0x1006),
    "FIONBIO": (0x5421, 0x667E),
    "FIONREAD": (0x541B, 0x467F),
    "SIGCHLD": (17, 18),
}
"""The number everywhere, and that of MIPS (arch/mips/include/uapi/asm of Linux)."""


def code(call: Call, name: str) -> int:
    """The number behind a name, on the machine at hand."""
    return _CODES[name][call.architecture == "mips"]


def failed(call: Call, name: str) -> int:
    """Set `errno`, and what a failed call gives."""
    call.ram.store(call.host.errno(), code(call, name), 4)
    return call.ram.mask
