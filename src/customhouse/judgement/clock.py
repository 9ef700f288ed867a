"""The seller's clock: how long a fix has been owed, and whether the maker has delivered since.

The clock starts at the earliest of fixed release, advisory and CVE, since CVEs lag releases by up to 559 days
(design: knowledge.md).
"""

import datetime
from enum import StrEnum

from customhouse.model import Advisory, Deployment


def parse_date(text: str) -> datetime.date | None:
    """An ISO date, or None where none is stated. Raises ValueError for text that is not a date."""
    return datetime.date.fromisoformat(text) if text else None


def clock_start(advisory: Advisory) -> datetime.date | None:
    """The first day on which the maker could have known; None where the record has no date at all."""
    dates = [day for day in (advisory.fixed_release, advisory.published) if day is not None]
    return min(dates) if dates else None


def overdue(start: datetime.date | None, today: datetime.date, days: int) -> bool:
    """Has the maker had more than `days` days? An undated flaw is taken as old: an unknown date is no excuse."""
    return start is None or (today - start).days > days


class Update(StrEnum):
    """Does a firmware update exist that could hold the fix?"""

    EXISTS = "exists"
    MISSING = "missing"
    UNKNOWN = "unknown"


def update_since(start: datetime.date | None, deployment: Deployment, today: datetime.date) -> Update:
    """What the stated dates say about an update for a flaw whose clock began at `start`.

    `latest_firmware` is the date of the newest firmware that the maker offers, `firmware_date` that of the audited one.
    An update exists when the newest is younger than the audited one and not older than the flaw. A support period
    that has ended means that none will come, unless a newest date says otherwise.
    """
    latest = parse_date(deployment.latest_firmware)
    audited = parse_date(deployment.firmware_date)
    if latest is None:
        ended = parse_date(deployment.support_until)
        return Update.MISSING if ended is not None and ended < today else Update.UNKNOWN
    if audited is not None and latest <= audited:
        return Update.MISSING
    if start is not None and latest < start:
        return Update.MISSING
    return Update.EXISTS if audited is not None else Update.UNKNOWN
