"""Is the kernel still maintained by its makers?"""

import functools
from collections.abc import Iterable
from datetime import date, timedelta
from importlib import resources
from typing import NamedTuple

from customhouse.model import Confidence, DeviceFacts, Finding, Severity

from ..link.kernel import kernel_of
from .check import DatedCheck

_LONG_GONE = timedelta(days=730)
_AFTER_NEXT = timedelta(days=92)  # how long a branch without long-term maintenance lives on after its successor


class Branch(NamedTuple):
    """One row of kernel_branches.tsv; `end` is reckoned where the branch never was a long-term one."""

    name: str
    released: date
    end: date | None
    long_term: bool


@functools.cache
def branches() -> dict[str, Branch]:
    """All branches by name. The newest one's end is not known."""
    lines = resources.files(__package__).joinpath("kernel_branches.tsv").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    found: dict[str, Branch] = {}
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        stated = date.fromisoformat(row[2]) if len(row) > 2 else None
        reckoned = date.fromisoformat(following[1]) + _AFTER_NEXT if following else None
        found[row[0]] = Branch(row[0], date.fromisoformat(row[1]), stated or reckoned, stated is not None)
    return found


def branch_of(version: str) -> Branch | None:
    """The branch of a version: three numbers of 2.6, two of everything later."""
    parts = version.split(".")
    name = ".".join(parts[:3] if parts[:2] == ["2", "6"] else parts[:2])
    return branches().get(name)


class KernelAge(DatedCheck):
    rule = "kernel.age"
    asks = "Is the device's Linux kernel of a branch that still gets fixes?"
    clauses = ("EN 303 645 5.3-13", "CRA II(2)")

    def findings_on(self, device: DeviceFacts, today: date | None) -> Iterable[Finding]:
        kernel = kernel_of(device)
        branch = branch_of(kernel.version) if kernel is not None else None
        if kernel is None or branch is None or branch.end is None or today is None or today <= branch.end:
            return
        # No fix reaches such a kernel unless the vendor makes it; after two years nobody is likely to. Not critical: a
        # kernel's flaws need a way in, and those that have one are judged one by one.
        severity = Severity.HIGH if today - branch.end > _LONG_GONE else Severity.MEDIUM
        kind = "Its long-term maintenance" if branch.long_term else "Its maintenance"
        yield self.finding(
            severity=severity,
            confidence=Confidence.HIGH if branch.long_term else Confidence.MEDIUM,
            title=f"The kernel is Linux {kernel.version}, of a branch that gets no fixes since {branch.end:%B %Y}",
            detail=f"Branch {branch.name} came out on {branch.released}. {kind} ended {branch.end}.",
            remedy="Move to a kernel of a maintained long-term branch, or have the vendor show who backports fixes.",
            evidence=kernel.evidence,
            subject=f"linux {kernel.version}",
        )
