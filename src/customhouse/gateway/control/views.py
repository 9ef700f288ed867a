"""What the owner is shown of the gate, as values: the API sends them, the command line prints them."""

from collections import Counter

from customhouse.model import Ace, DeviceProfile, Model, PeerKind

from .gate import Gate
from .intent import profile_difference


class DeviceView(Model, frozen=True, kw_only=True):
    """A device as the owner sees it. `claimed` is what it says of itself."""

    id: str
    name: str
    claimed: str
    mode: str
    addresses: tuple[str, ...]
    first_seen: float
    last_seen: float
    quarantined: str = ""
    claimed_url: str = ""
    pinned_url: str = ""
    entries: int = 0
    """In force: of its approved profile, and what was approved beside it."""
    proposed: int | None = None
    """Entries of a proposed profile that waits for the owner."""
    open_requests: int = 0


class RequestView(Model, frozen=True, kw_only=True):
    """Something that was blocked or asked for, and how to undo that."""

    id: int
    device: str
    what: str
    subject: str
    detail: str
    first: float
    last: float
    times: int
    answer: str
    undo: str


class ProposalView(Model, frozen=True, kw_only=True):
    """What approving a proposed profile would change."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    unsupported: tuple[str, ...] = ()


def device_views(gate: Gate) -> list[DeviceView]:
    addresses: dict[str, list[str]] = {}
    for address, device in gate.state.addresses().items():
        addresses.setdefault(device, []).append(address)
    quarantines = gate.state.quarantines()
    profiles, proposals = gate.state.profiles(), gate.state.profiles("proposed")
    granted = Counter(approval.device for approval in gate.memory().approvals)
    for device, profile in profiles.items():
        granted[device] += len(profile.aces)
    asked: dict[str, int] = {}
    for request in gate.state.requests():
        asked[request.device] = asked.get(request.device, 0) + 1
    return [
        DeviceView(
            id=d.id,
            name=d.name,
            claimed=d.claimed,
            mode=d.mode,
            addresses=tuple(sorted(addresses.get(d.id, ()))),
            first_seen=d.first_seen,
            last_seen=d.last_seen,
            quarantined=quarantines[d.id].why if d.id in quarantines else "",
            claimed_url=d.claimed_url,
            pinned_url=d.pinned_url,
            entries=granted[d.id],
            proposed=len(proposals[d.id].aces) if d.id in proposals else None,
            open_requests=asked.get(d.id, 0),
        )
        for d in gate.state.devices()
    ]


def request_views(gate: Gate, device: str | None) -> list[RequestView]:
    return [
        RequestView(
            id=r.id,
            device=r.device,
            what=r.what,
            subject=r.subject,
            detail=r.detail,
            first=r.first,
            last=r.last,
            times=r.times,
            answer=r.answer,
            undo=f"customhouse gate approve {f'{r.device} --profile' if r.what == 'profile' else f'--request {r.id}'}",
        )
        for r in gate.state.requests(device)
    ]


def difference_view(old: DeviceProfile | None, new: DeviceProfile) -> ProposalView:
    added, removed = profile_difference(old, new)
    return ProposalView(
        added=tuple(ace_in_words(ace) for ace in added),
        removed=tuple(ace_in_words(ace) for ace in removed),
        unsupported=tuple(f"{entry.what}: {entry.why}" for entry in new.unsupported),
    )


def ace_in_words(ace: Ace) -> str:
    """`to cloud.example.org, tcp port 443`."""
    where = {
        PeerKind.LOCAL_NETWORKS: "the home network",
        PeerKind.SAME_MANUFACTURER: "devices of the same maker",
        PeerKind.MY_CONTROLLER: "its controller",
    }.get(ace.peer.kind, ace.peer.value or str(ace.peer.kind))
    ports = ", ".join(str(r.first) if r.first == r.last else f"{r.first}-{r.last}" for r in ace.ports)
    way = "to" if ace.direction == "from-device" else "from"
    started = f", started by the {ace.initiated_by}" if ace.initiated_by else ""
    return f"{way} {where}, {ace.protocol}{' port ' + ports if ports else ''}{started}  [{ace.name}]"
