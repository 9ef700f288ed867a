"""The sentinel's programs, read instruction by instruction by a small interpreter: no kernel needed."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from customhouse.gateway.kernel.sentinel import GO_ON, SHOOT, refuse_tainted, require_pass, taint
from customhouse.gateway.ruleset.element import DEVICE, HALF, PASS, TAINT

ARP = struct.unpack("=H", struct.pack(">H", 0x0806))[0]
WORD = 0xFFFFFFFF


def execute(code: bytes, mark: int, protocol: int = 0) -> tuple[int, int]:
    """(action, mark afterwards), by the six instructions that the programs use."""
    context = {8: mark, 16: protocol}
    registers = [0] * 11
    at = 0
    while True:
        operation, pair, offset, value = struct.unpack_from("<BBhi", code, at * 8)
        target, source = pair & 0xF, pair >> 4
        at += 1
        if operation == 0xB4:  # w = value
            registers[target] = value & WORD
        elif operation == 0x61:  # w = context
            registers[target] = context[offset]
        elif operation == 0x63:  # context = w
            context[offset] = registers[source] & WORD
        elif operation == 0x46:  # jump if any bit
            at += offset if registers[target] & value & WORD else 0
        elif operation == 0x16:  # jump if equal
            at += offset if registers[target] == value & WORD else 0
        elif operation == 0x95:
            action = registers[0]
            return (action - (1 << 32) if action >> 31 else action), context[8]
        else:
            raise AssertionError(f"operation {operation:#x}")


MARKS = st.integers(0, WORD)


@given(mark=MARKS)
def test_what_comes_in_by_a_contained_port_is_tainted_whatever_it_was(mark: int) -> None:
    assert execute(taint(), mark) == (GO_ON, TAINT)


@given(mark=MARKS)
def test_what_is_still_tainted_is_shot(mark: int) -> None:
    assert execute(refuse_tainted(), mark) == (SHOOT if mark & TAINT else GO_ON, mark)


@given(mark=MARKS, protocol=st.sampled_from([0x0008, 0xDD86, ARP]))
def test_a_contained_port_lets_out_what_our_rules_passed_and_arp(mark: int, protocol: int) -> None:
    action, _ = execute(require_pass(), mark, protocol)
    assert action == (GO_ON if mark & PASS or protocol == ARP else SHOOT)


def test_the_marks_do_not_overlap() -> None:
    bits = (TAINT, HALF, PASS, DEVICE)
    assert sum(bits) == TAINT | HALF | PASS | DEVICE
