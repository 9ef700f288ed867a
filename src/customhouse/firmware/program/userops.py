"""What the lifter leaves as a named operation: system calls, thread pointers, exclusive access, a few vectors.

The names are those of Ghidra's processor specifications.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .ram import Fault

if TYPE_CHECKING:
    from .emulator import Machine

UserOp = Callable[["Machine", list[int], list[int]], int | None]
"""Gets the machine, the operands and their sizes; gives the result."""
NOTHING_KNOWN = 0xE1200000
"""Sixteen zero bytes: what a processor that is asked for its features answers."""


def _system(machine: "Machine", inputs: list[int], _sizes: list[int]) -> None:
    machine.system.call(machine, inputs[0] if inputs else 0)


def _interrupt(machine: "Machine", inputs: list[int], _sizes: list[int]) -> int:
    """`int 0x80` is decoded as a call of what the operation gives: the call goes on behind the instruction."""
    machine.system.call(machine, inputs[0])
    return machine.after


def _thread(machine: "Machine", _inputs: list[int], _sizes: list[int]) -> int:
    return machine.thread


def _coprocessor(machine: "Machine", inputs: list[int], _sizes: list[int]) -> int:
    """`mrc p15, 0, register, c13, c0, 3` reads the thread pointer."""
    return machine.thread if inputs[:3] == [15, 0, 3] else 0


def _one(_machine: "Machine", _inputs: list[int], _sizes: list[int]) -> int:
    return 1


def _zero(_machine: "Machine", _inputs: list[int], _sizes: list[int]) -> int:
    return 0


def _features(_machine: "Machine", _inputs: list[int], _sizes: list[int]) -> int:
    return NOTHING_KNOWN


def _lanes(value: int, size: int, width: int) -> list[int]:
    mask = (1 << (8 * width)) - 1
    return [(value >> (8 * width * index)) & mask for index in range(size // width)]


def _joined(lanes: list[int], width: int) -> int:
    return sum(lane << (8 * width * index) for index, lane in enumerate(lanes))


def _pairwise(work: Callable[[int, int], int]) -> UserOp:
    def run(_machine: "Machine", inputs: list[int], sizes: list[int]) -> int:
        width = inputs[2] if len(inputs) > 2 else 1
        lanes = _lanes(inputs[0], sizes[0], width) + _lanes(inputs[1], sizes[1], width)
        return _joined([work(lanes[at], lanes[at + 1]) for at in range(0, len(lanes), 2)], width)

    return run


def _extract(_machine: "Machine", inputs: list[int], sizes: list[int]) -> int:
    """Bytes from the middle of two vectors."""
    both = inputs[0] | inputs[1] << (8 * sizes[0])
    at = inputs[2] if len(inputs) > 2 else 0
    return (both >> (8 * at)) & ((1 << (8 * sizes[0])) - 1)


def _differences(_machine: "Machine", inputs: list[int], sizes: list[int]) -> int:
    """How far the bytes of two vectors are apart, summed up for each eight of them."""
    apart = [abs(one - other) for one, other in zip(*(_lanes(value, sizes[0], 1) for value in inputs[:2]), strict=True)]
    return _joined([sum(apart[at : at + 8]) for at in range(0, sizes[0], 8)], 8)


def _unsigned(_machine: "Machine", inputs: list[int], sizes: list[int]) -> int:
    """Limited to what a number of bits holds."""
    sign = 1 << (8 * sizes[0] - 1)
    return max(0, min((inputs[0] ^ sign) - sign, (1 << (inputs[1] & 63)) - 1))


def _signed(_machine: "Machine", inputs: list[int], sizes: list[int]) -> int:
    sign, most = 1 << (8 * sizes[0] - 1), 1 << ((inputs[1] - 1) & 63)
    return max(-most, min((inputs[0] ^ sign) - sign, most - 1))


_MEANINGS: dict[str, UserOp] = {
    "software_interrupt": _system,
    "CallSupervisor": _system,
    "syscall": _system,
    "swi": _interrupt,
    "coproc_movefrom_User_R_Thread_and_Process_ID": _thread,
    "getHWRegister": _thread,
    "hasExclusiveAccess": _one,
    "ExclusiveMonitorPass": _one,
    "ExclusiveMonitorsStatus": _zero,
    "coprocessor_movefromRt": _coprocessor,
    "xgetbv": _zero,
    "rdtsc": _zero,
    "xtest": _zero,
    "NEON_umaxp": _pairwise(max),
    "NEON_uminp": _pairwise(min),
    "NEON_ext": _extract,
    "psadbw": _differences,
    "UnsignedSaturate": _unsigned,
    "SignedSaturate": _signed,
    **dict.fromkeys(
        (
            "cpuid",
            "cpuid_basic_info",
            "cpuid_Version_info",
            "cpuid_cache_tlb_info",
            "cpuid_serial_info",
            "cpuid_Deterministic_Cache_Parameters_info",
            "cpuid_MONITOR_MWAIT_Features_info",
            "cpuid_Thermal_Power_Management_info",
            "cpuid_Extended_Feature_Enumeration_info",
            "cpuid_Direct_Cache_Access_info",
            "cpuid_Architectural_Performance_Monitoring_info",
            "cpuid_Extended_Topology_info",
            "cpuid_Processor_Extended_States_info",
            "cpuid_Quality_of_Service_info",
            "cpuid_brand_part1_info",
            "cpuid_brand_part2_info",
            "cpuid_brand_part3_info",
        ),
        _features,
    ),
}


def meaning(name: str) -> UserOp | None:
    """What an operation does, None when that is not known. Hostile code may give it operands that it cannot have: then
    it is a `Fault`.
    """
    made = _MEANINGS.get(name)
    if made is None:
        return None

    def run(machine: "Machine", inputs: list[int], sizes: list[int]) -> int | None:
        try:
            return made(machine, inputs, sizes)
        except (IndexError, ZeroDivisionError):
            raise Fault(f"{name} with operands that it cannot have") from None

    return run
