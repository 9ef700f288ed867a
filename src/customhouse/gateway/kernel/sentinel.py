"""The sentinel: a few instructions outside nftables that make a flushed ruleset stop traffic instead of freeing it.

On a contained port every frame that comes in is marked TAINT before any rule; only our rules replace that mark. On the
way out a contained port lets through what our rules marked PASS, and ARP; a trusted port and the bridge itself refuse
what is still tainted. Routing does the same by `ip rule`: tainted packets are unreachable. The programs are eBPF,
written here instruction by instruction (Linux Documentation/bpf/standardization/instruction-set.rst).
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from contextlib import suppress

from pyroute2 import IPRoute, NetlinkError  # type: ignore[import-untyped]  # the package ships no types

from customhouse.gateway.ruleset.element import HALF, PASS, TAINT
from customhouse.gateway.ruleset.house import Segment
from customhouse.host.errors import MissingTool

from .programs import run

SYSTEM_CALL = {"x86_64": 321, "aarch64": 280, "armv7l": 386, "riscv64": 280, "mips64": 5315}
LOAD_PROGRAM = 5
SCHEDULER_CLASSIFIER = 3
LICENSE = b"Apache-2.0"

CONTEXT_MARK, CONTEXT_PROTOCOL = 8, 16
"""Offsets in struct __sk_buff."""
GO_ON, SHOOT = -1, 2
"""TC_ACT_UNSPEC (further filters may speak) and TC_ACT_SHOT."""
INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
RULE_PLACES = {TAINT: 61, HALF: 62}
"""Preference of the routing rule for each mark, before any that an administrator is likely to have."""


def _instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", code, (source << 4) | target, offset, value - (1 << 32) if value >= 1 << 31 else value)


def _load(offset: int) -> bytes:
    """r2 = 32 bits of the context."""
    return _instruction(0x61, 2, 1, offset)


def _unless(bits: int) -> bytes:
    """Go on two instructions later when r2 has one of the bits."""
    return _instruction(0x46, 2, offset=2, value=bits)


def _answer(action: int) -> bytes:
    """Return the action: two instructions."""
    return _instruction(0xB4, 0, value=action) + _instruction(0x95)


def taint() -> bytes:
    """Mark what comes in."""
    return _instruction(0xB4, 2, value=TAINT) + _instruction(0x63, 1, 2, CONTEXT_MARK) + _answer(GO_ON)


def refuse_tainted() -> bytes:
    """Shoot what our rules did not see."""
    return _load(CONTEXT_MARK) + _unless(TAINT) + _answer(GO_ON) + _answer(SHOOT)


def require_pass() -> bytes:
    """Shoot what our rules did not let out; ARP of the gateway itself passes no rule and is let through."""
    arp = struct.unpack("=H", struct.pack(">H", 0x0806))[0]
    return (
        _load(CONTEXT_PROTOCOL)
        + _instruction(0x16, 2, offset=4, value=arp)
        + _load(CONTEXT_MARK)
        + _unless(PASS)
        + _answer(SHOOT)
        + _answer(GO_ON)
    )


def _load_program(code: bytes) -> int:
    """A file descriptor of the verified program. Raises MissingTool where the kernel has no eBPF."""
    number = SYSTEM_CALL.get(platform.machine())
    if number is None:
        raise MissingTool(f"no eBPF system call is known for {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    program = ctypes.create_string_buffer(code, len(code))
    license_text = ctypes.create_string_buffer(LICENSE)
    fields = struct.pack(
        "<IIQQ", SCHEDULER_CLASSIFIER, len(code) // 8, ctypes.addressof(program), ctypes.addressof(license_text)
    )
    attributes = ctypes.create_string_buffer(fields.ljust(128, b"\0"), 128)
    descriptor = int(libc.syscall(number, LOAD_PROGRAM, attributes, 128))
    if descriptor < 0:
        reason = os.strerror(ctypes.get_errno())
        raise MissingTool(f"the kernel refused the sentinel: {reason}", "root and CONFIG_BPF_SYSCALL are needed")
    return descriptor


def stand_guard(segments: tuple[Segment, ...]) -> None:
    """Put the sentinel on every port of every segment, in place of any that stands there, and the routing rules.

    Raises MissingTool when the kernel cannot (no eBPF, no clsact) or a named interface is not there.
    """
    for mark, preference in RULE_PLACES.items():
        for family in ("-4", "-6"):
            rule = ("pref", str(preference), "fwmark", f"{mark:#x}/{mark:#x}", "unreachable")
            if f"{preference}:" not in run("ip", family, "rule", "show", "pref", str(preference)).stdout:
                result = run("ip", family, "rule", "add", *rule)
                if result.returncode:
                    raise MissingTool(f"ip rule was refused: {result.stderr.strip()[:200]}")
    with IPRoute() as route:
        for segment in segments:
            for interface, parent, code, name in _posts(segment):
                _attach(route, interface, parent, code, name)


def _posts(segment: Segment) -> Iterator[tuple[str, int, bytes, str]]:
    """Which program stands where."""
    for port in segment.ports or (segment.interface,):
        yield port, INGRESS, taint(), "customhouse-in"
        yield port, EGRESS, require_pass(), "customhouse-out"
    if segment.ports:
        yield segment.interface, INGRESS, refuse_tainted(), "customhouse-up"
    for port in segment.trusted_ports:
        yield port, EGRESS, refuse_tainted(), "customhouse-out"


def _attach(route: IPRoute, interface: str, parent: int, code: bytes, name: str) -> None:
    found = route.link_lookup(ifname=interface)
    if not found:
        raise MissingTool(f"there is no interface {interface}", "name the ports of the segment in gate.toml")
    descriptor = _load_program(code)
    try:
        with suppress(NetlinkError):
            route.tc("add", "clsact", found[0])
        try:
            route.tc(
                "replace-filter", "bpf", found[0], 1, fd=descriptor, name=name, parent=parent, classid=1,
                direct_action=True, prio=1,
            )  # fmt: skip
        except NetlinkError as error:
            known = errno.errorcode.get(error.code, str(error.code))
            raise MissingTool(f"the sentinel could not be put on {interface}: {known}", "clsact is needed") from error
    finally:
        os.close(descriptor)


def guarded(segments: tuple[Segment, ...]) -> tuple[str, ...]:
    """Interfaces that lack their sentinel; empty when all stand."""
    missing: list[str] = []
    for segment in segments:
        for interface, parent, _, name in _posts(segment):
            side = "ingress" if parent == INGRESS else "egress"
            if name not in run("tc", "filter", "show", "dev", interface, side).stdout:
                missing.append(f"{interface} {side}")
    return tuple(missing)
