"""The number of ruleset changes in this network namespace: nobody can alter a rule or an element without moving it.

One netlink message (NFT_MSG_GETGEN) instead of listing ten thousand devices' elements to learn that nothing happened.
Elements that the packet path adds, and those that end by themselves, do not count.
"""

import socket
import struct

NETFILTER = 12
GET_GENERATION = (10 << 8) | 16
"""NFNL_SUBSYS_NFTABLES and NFT_MSG_GETGEN."""
REQUEST = 1
GENERATION_ID = 1
"""Attribute NFTA_GEN_ID."""
ERROR = 2


def generation() -> int | None:
    """The ruleset's generation, or None when the kernel does not say."""
    message = struct.pack("=IHHIIBBH", 20, GET_GENERATION, REQUEST, 1, 0, 0, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER) as asked:
            asked.settimeout(2)
            asked.send(message)
            return _read(asked.recv(8192))
    except OSError:
        return None


def _read(answer: bytes) -> int | None:
    if len(answer) < 20 or struct.unpack_from("=H", answer, 4)[0] == ERROR:
        return None
    at = 20
    while at + 8 <= len(answer):
        size, kind = struct.unpack_from("=HH", answer, at)
        if kind & 0x3FFF == GENERATION_ID and size >= 8:
            return int(struct.unpack_from(">I", answer, at + 4)[0])
        at += max(4, (size + 3) & ~3)
    return None
