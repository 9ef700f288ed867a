"""Why something was blocked, and what stops working, in one sentence for the owner. Pure."""

import datetime
from collections.abc import Sequence

from customhouse.model import Ace, DeviceProfile, Model

from .intent import names_granted
from .state import DeviceRecord, Quarantine, Request

WORKS_WITHOUT = "nothing that it declared"


class Explanation(Model, frozen=True, kw_only=True):
    """`allowed` says whether the device may reach the host now; `text` is for the owner."""

    allowed: bool
    text: str
    times: int = 0


def why(
    device: DeviceRecord,
    host: str,
    *,
    aces: Sequence[Ace],
    proposed: DeviceProfile | None = None,
    quarantine: Quarantine | None = None,
    requests: Sequence[Request] = (),
) -> Explanation:
    """Why `device` may or may not reach `host` (a name or an address)."""
    who = device.name or device.claimed or device.id
    host = host.rstrip(".").lower()
    asked = next((r for r in requests if r.subject == host), None)
    since = f" since {_clock(asked.first)}" if asked else ""
    times = asked.times if asked else 0
    if quarantine is not None:
        text = (
            f"{who} is cut off from everything since {_clock(quarantine.since)} because {quarantine.why};"
            " what stops working: all of it, until `customhouse gate release` lets it back."
        )
        return Explanation(allowed=False, text=text, times=times)
    if host in names_granted(aces) or any(ace.peer.value.lower() == host for ace in aces):
        return Explanation(allowed=True, text=f"{who} may reach {host}: {_grant(aces, host)}.", times=times)
    if device.mode == "learning":
        text = f"{who} is being watched and may reach anything outside of the home, {host} too."
        return Explanation(allowed=True, text=text, times=times)
    reason, stops = _reason(device, host, proposed)
    never = "" if asked else f" It has not tried to reach {host} so far."
    text = f"blocked{since} because {reason}; what stops working: {stops}.{never}"
    return Explanation(allowed=False, text=text, times=times)


def _reason(device: DeviceRecord, host: str, proposed: DeviceProfile | None) -> tuple[str, str]:
    if proposed is not None and host in names_granted(proposed.aces):
        return (
            "its maker declares this host and you have not approved it yet",
            "what the maker needs the host for; `customhouse gate approve` shows and allows it",
        )
    if device.mode == "held":
        return "the device is new and you have approved nothing for it yet", "everything it does over the Internet"
    return (
        "neither its profile nor you allow it",
        f"{WORKS_WITHOUT}; if you miss something, approve the host",
    )


def _grant(aces: Sequence[Ace], host: str) -> str:
    ace = next(ace for ace in aces if ace.peer.value.rstrip(".").lower() == host)
    ports = ", ".join(str(r.first) if r.first == r.last else f"{r.first}-{r.last}" for r in ace.ports)
    return f"{ace.protocol}{' port ' + ports if ports else ', every port'}"


def _clock(at: float) -> str:
    """Local time, with the date when it was not today."""
    moment = datetime.datetime.fromtimestamp(at)
    today = datetime.datetime.now().date()
    return moment.strftime("%H:%M") if moment.date() == today else moment.strftime("%Y-%m-%d %H:%M")
