"""The order in which an expert would read known flaws: who can reach them and whether they are used, not how many.

First what is affected, then what is open, then what is settled. Within these: exploited in the wild and reached from
the network, exploited, reached by strangers without a foothold, shown to run, grave, likely to be exploited.
"""

from collections.abc import Iterable

from customhouse.model import Severity, Vulnerability

_STATUS = {"affected": 0, "under_investigation": 1, "fixed": 2, "not_affected": 3}
_GRAVITY = {Severity.CRITICAL: 0, Severity.HIGH: 1, Severity.MEDIUM: 2, Severity.LOW: 4, Severity.INFO: 5, None: 3}
_PLAIN = ("runs-", "starts:", "role:", "local-users")
"""Doubts about whether a part is used at all; any other is a condition on top of that."""
_NETWORK = ("P1", "P2", "P3", "P4", "P5")
_FOOTHOLD = {"P1": 0, "P4": 0, "P5": 1, "P2": 1, "P3": 2, "P8": 3, "P6": 4, "P7": 5}


def ranked(rows: Iterable[Vulnerability]) -> tuple[Vulnerability, ...]:
    """`rows`, the one that matters most first. Ties go by id, so that two runs agree."""
    return tuple(sorted(rows, key=_key))


def _key(row: Vulnerability) -> tuple[object, ...]:
    reach = row.reachability
    networked = any(position in _NETWORK for position in reach.positions)
    exploited = row.known_exploited
    doubts = len(reach.missing)
    conditional = sum(1 for name in reach.missing if not name.startswith(_PLAIN))
    return (
        _STATUS.get(reach.status, 4),
        not (exploited and networked),
        min((_FOOTHOLD[position] for position in reach.positions), default=9) > 2,
        not exploited,
        not row.certain,
        conditional > 0,
        _GRAVITY[row.severity],
        doubts,
        min((_FOOTHOLD[position] for position in reach.positions), default=9),
        -(row.epss or 0.0),
        _year_first(row.id),
    )


def _year_first(name: str) -> tuple[object, ...]:
    """Younger CVEs first, then by name."""
    parts = name.split("-")
    if len(parts) == 3 and parts[0] == "CVE" and parts[1].isdigit() and parts[2].isdigit():
        return (0, -int(parts[1]), -int(parts[2]), name)
    return (1, 0, 0, name)
