"""How hard is it to turn a memory error into control?"""

from collections.abc import Iterable, Sequence

from customhouse.model import DeviceFacts, Evidence, Finding, Hardening, ImagePath, Severity

from .check import Check

_LISTED = 15


def missing(program: Hardening) -> list[str]:
    """Names of the mitigations that a program lacks, the weightiest first."""
    lacks = [
        (not program.nx, "NX"),
        (not program.canary, "stack canary"),
        (not program.pie, "PIE"),
        (program.relro == "none", "RELRO"),
    ]
    return [name for lacking, name in lacks if lacking]


class NetworkHardening(Check):
    rule = "hardening.network"
    asks = "Do programs that the network can reach lack exploit mitigations?"
    clauses = ("EN 303 645 5.6-7", "CRA I(2)(k)", "EN 18031-1 GEC-6")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        yield from _aggregate(self, [h for h in device.hardening if h.network_facing], Severity.MEDIUM)


class ProgramHardening(Check):
    rule = "hardening.programs"
    asks = "Do the other programs lack exploit mitigations?"
    clauses = ("EN 303 645 5.6-7", "CRA I(2)(k)")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        yield from _aggregate(self, [h for h in device.hardening if not h.network_facing], Severity.LOW)


def _aggregate(check: Check, programs: Sequence[Hardening], severity: Severity) -> Iterable[Finding]:
    """One finding for all: the programs that lack most, first. Missing PIE or RELRO alone is a note."""
    poor = sorted(((missing(p), p) for p in programs if missing(p)), key=lambda pair: (-len(pair[0]), pair[1].program))
    if not poor:
        return
    grave = any({"NX", "stack canary"} & set(lacks) for lacks, _ in poor)
    where = "that the network can reach " if check.rule == "hardening.network" else ""
    yield check.finding(
        # Mitigations fix nothing; they decide whether the next memory error is a crash or a take-over.
        severity=severity if grave else Severity.LOW,
        title=f"{len(poor)} of {len(programs)} programs {where}lack exploit mitigations",
        detail="; ".join(f"{program.program}: no {', '.join(lacks)}" for lacks, program in poor[:_LISTED])
        + (f"; and {len(poor) - _LISTED} more" if len(poor) > _LISTED else ""),
        remedy="Build with -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -pie -Wl,-z,relro,-z,now,-z,noexecstack.",
        evidence=tuple(
            Evidence(path=ImagePath(program.program), excerpt=f"no {', '.join(lacks)}") for lacks, program in poor[:5]
        ),
        subject="network-facing programs" if where else "programs",
    )
