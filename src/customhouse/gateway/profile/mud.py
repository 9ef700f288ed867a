"""Reading an RFC 8520 file, in its final form and in the draft's form that most files in the wild still have.

Everything that the standard defines is either carried into the profile or named in `unsupported`; so is every member
that nobody defines. A file that is no MUD file at all raises InputError.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from customhouse.host.errors import InputError
from customhouse.model.profile import Ace, DeviceProfile, Identity, PeerKind, ProfileSource, Rate

from .document import load_object
from .matches import Matched, MatchReader, NotCarried
from .notes import Notes, shown

Members = Mapping[str, object]

TOP = frozenset({"ietf-mud:mud", "ietf-access-control-list:acls", "ietf-access-control-list:access-lists"})
MUD = frozenset({
    "mud-version", "mud-url", "last-update", "mud-signature", "cache-validity", "is-supported", "systeminfo",
    "mfg-name", "model-name", "firmware-rev", "software-rev", "documentation", "extensions", "from-device-policy",
    "to-device-policy", "customhouse:rate",
})  # fmt: skip
OURS = "customhouse"
"""Our extension, listed in `extensions`: `customhouse:rate` on the container and on entries (docs: gateway)."""
FAMILIES = {
    "ipv4-acl-type": "ipv4",
    "ipv6-acl-type": "ipv6",
    "ethernet-acl-type": "",
    "mixed-eth-ipv4-acl-type": "ipv4",
    "mixed-eth-ipv6-acl-type": "ipv6",
    "mixed-eth-ipv4-ipv6-acl-type": "",
}
MOST_ACES = 5_000
DEFAULT_VALIDITY = 48
SLOWEST, FASTEST = 1_000, 100_000_000_000
"""Bits per second that a rate may name."""


def read_mud(data: bytes, where: str = "", signed_by: str = "") -> DeviceProfile:
    """The profile in a MUD file. `where`: a path or URL, for its source. `signed_by`: a verified signer."""
    return _Reader(load_object(data)).profile(where, signed_by)


class _Reader:
    def __init__(self, document: Members) -> None:
        self.document = document
        self.notes = Notes()

    def profile(self, where: str, signed_by: str) -> DeviceProfile:
        self.notes.unknown(self.document, TOP, "")
        mud = self.document.get("ietf-mud:mud")
        if not isinstance(mud, dict):
            raise InputError("no ietf-mud:mud object: not a MUD file", "RFC 8520 describes what a MUD file holds")
        version = mud.get("mud-version")
        if version != 1 or isinstance(version, bool):
            raise InputError(f"mud-version is {shown(version)}; RFC 8520 defines version 1")
        self.notes.unknown(mud, MUD, "ietf-mud:mud")
        aces = tuple(self._policies(mud))
        return DeviceProfile(
            identity=self._identity(mud),
            source=ProfileSource(kind="mud", where=where, signed_by=signed_by),
            aces=aces,
            rate=self._rate(mud, "ietf-mud:mud"),
            valid_for=self._validity(mud),
            last_update=self._last_update(mud),
            is_supported=self._is_supported(mud),
            unsupported=self._remarks(mud),
        )

    def _remarks(self, mud: Members) -> tuple:  # type: ignore[type-arg]
        for name in ("firmware-rev", "software-rev", "documentation", "mud-signature"):
            self.notes.typed(mud, name, str, "ietf-mud:mud")
        for extension in self.notes.typed(mud, "extensions", list, "ietf-mud:mud") or []:
            if extension != OURS:
                self.notes.add(f"ietf-mud:mud/extensions/{shown(extension)}", "this extension is not supported")
        return self.notes.all()

    def _identity(self, mud: Members) -> Identity:
        def text(name: str) -> str:
            return shown(self.notes.typed(mud, name, str, "ietf-mud:mud") or "")

        url = self.notes.typed(mud, "mud-url", str, "ietf-mud:mud") or ""
        if "mud-url" not in mud:
            self.notes.add("ietf-mud:mud/mud-url", "missing, though RFC 8520 requires it")
        elif url and not is_mud_url(url):
            self.notes.add("ietf-mud:mud/mud-url", f"{shown(url)} is no https URL")
            url = ""
        maker = text("mfg-name") or authority(url)
        return Identity(name=text("systeminfo"), manufacturer=maker, model=text("model-name"), mud_url=url)

    def _validity(self, mud: Members) -> int:
        hours = self.notes.typed(mud, "cache-validity", int, "ietf-mud:mud")
        if hours is None:
            return DEFAULT_VALIDITY
        if not 1 <= hours <= 168:
            self.notes.add(
                "ietf-mud:mud/cache-validity", f"{hours} is outside 1 to 168 hours; {DEFAULT_VALIDITY} is used"
            )
            return DEFAULT_VALIDITY
        return hours

    def _is_supported(self, mud: Members) -> bool:
        if "is-supported" not in mud:
            self.notes.add("ietf-mud:mud/is-supported", "missing, though RFC 8520 requires it")
        return self.notes.typed(mud, "is-supported", bool, "ietf-mud:mud") is not False

    def _last_update(self, mud: Members) -> datetime | None:
        text = self.notes.typed(mud, "last-update", str, "ietf-mud:mud")
        if text is None:
            if "last-update" not in mud:
                self.notes.add("ietf-mud:mud/last-update", "missing, though RFC 8520 requires it")
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.notes.add("ietf-mud:mud/last-update", f"{shown(text)} is no RFC 3339 date and time")
            return None
        if moment.tzinfo is None:
            self.notes.add("ietf-mud:mud/last-update", f"{shown(text)} names no time zone")
            return None
        return moment

    def _rate(self, holder: Members, where: str) -> Rate | None:
        members = self.notes.typed(holder, "customhouse:rate", dict, where)
        if members is None:
            return None
        where = f"{where}/customhouse:rate"
        self.notes.unknown(members, {"bits-per-second", "burst", "basis"}, where)
        speed = self.notes.typed(members, "bits-per-second", int, where)
        burst = self.notes.typed(members, "burst", int, where)
        if speed is None or not SLOWEST <= speed <= FASTEST:
            self.notes.add(where, f"bits-per-second is not a number from {SLOWEST} to {FASTEST}")
            return None
        basis = self.notes.typed(members, "basis", str, where) or ""
        return Rate(bits_per_second=speed, burst=max(0, min(burst or 0, FASTEST)), basis=shown(basis, 200))

    def _lists(self) -> dict[str, tuple[str, Members]]:
        """Access lists by name, whichever key they stand under, with the path that names them in notes."""
        lists: dict[str, tuple[str, Members]] = {}
        for key in ("ietf-access-control-list:acls", "ietf-access-control-list:access-lists"):
            holder = self.notes.typed(self.document, key, dict, "")
            if holder is None:
                continue
            self.notes.unknown(holder, {"acl", "attachment-points"}, key)
            if "attachment-points" in holder:
                self.notes.add(f"{key}/attachment-points", "where lists are attached is the gateway's matter")
            for number, entry in enumerate(self.notes.typed(holder, "acl", list, key) or []):
                where = f"{key}/acl[{number}]"
                if not isinstance(entry, dict):
                    self.notes.add(where, f"wrong value type: {shown(entry)} where an object is due")
                    continue
                name = self.notes.typed(entry, "name", str, where)
                if name is None or name in lists:
                    self.notes.add(where, "has no name" if name is None else f"the name {shown(name)} is taken already")
                    continue
                where = f"{key}/acl[{shown(name)}]"
                self.notes.unknown(entry, {"name", "type", "aces"}, where)
                lists[name] = (where, entry)
        return lists

    def _policies(self, mud: Members) -> Iterator[Ace]:
        lists = self._lists()
        used: set[str] = set()
        count = 0
        for policy in ("from-device-policy", "to-device-policy"):
            for name in self._listed(mud, policy):
                if name not in lists:
                    self.notes.add(f"ietf-mud:mud/{policy}/{shown(name)}", "undefined: no access list has this name")
                    continue
                used.add(name)
                where, entry = lists[name]
                for ace in self._aces(entry, where, policy == "from-device-policy"):
                    count += 1
                    if count > MOST_ACES:
                        raise InputError(f"the file has more than {MOST_ACES} entries")
                    yield ace
        for name, (where, _) in lists.items():
            if name not in used:
                self.notes.add(where, "no policy refers to this access list")

    def _listed(self, mud: Members, policy: str) -> Iterator[str]:
        where = f"ietf-mud:mud/{policy}"
        holder = self.notes.typed(mud, policy, dict, "ietf-mud:mud")
        if holder is None:
            return
        self.notes.unknown(holder, {"access-lists"}, where)
        lists = self.notes.typed(holder, "access-lists", dict, where)
        if lists is None:
            return
        self.notes.unknown(lists, {"access-list"}, f"{where}/access-lists")
        seen: set[str] = set()
        for number, entry in enumerate(self.notes.typed(lists, "access-list", list, f"{where}/access-lists") or []):
            place = f"{where}/access-lists/access-list[{number}]"
            if not isinstance(entry, dict):
                self.notes.add(place, f"wrong value type: {shown(entry)} where an object is due")
                continue
            self.notes.unknown(entry, {"name"}, place)
            name = self.notes.typed(entry, "name", str, place)
            if name is not None and name not in seen:
                seen.add(name)
                yield name

    def _aces(self, access_list: Members, where: str, outward: bool) -> Iterator[Ace]:
        kind = self.notes.typed(access_list, "type", str, where)
        family = FAMILIES.get(str(kind).removeprefix("ietf-access-control-list:"))
        if family is None:
            self.notes.add(f"{where}/type", f"{shown(kind)} is no list type of RFC 8519; its entries are left out")
            return
        holder = self.notes.typed(access_list, "aces", dict, where)
        if holder is None:
            return
        self.notes.unknown(holder, {"ace"}, f"{where}/aces")
        denied: list[Matched] = []
        for number, entry in enumerate(self.notes.typed(holder, "ace", list, f"{where}/aces") or []):
            place = f"{where}/aces/ace[{number}]"
            if not isinstance(entry, dict):
                self.notes.add(place, f"wrong value type: {shown(entry)} where an object is due")
                continue
            name = shown(self.notes.typed(entry, "name", str, place) or str(number))
            ace = self._ace(entry, f"{where}/aces/ace[{name}]", name, family, outward, denied)
            if ace is not None:
                yield ace

    def _ace(
        self, entry: Members, where: str, name: str, family: str, outward: bool, denied: list[Matched]
    ) -> Ace | None:
        self.notes.unknown(entry, {"name", "matches", "actions", "customhouse:rate"}, where)
        matches = self.notes.typed(entry, "matches", dict, where) if "matches" in entry else {}
        if matches is None:
            return None
        try:
            found = MatchReader(self.notes, outward, f"{where}/matches").read(matches, family)
        except NotCarried:
            return None
        if not self._accepts(entry, where):
            denied.append(found)
            return None
        if any(_overlap(found, earlier) for earlier in denied):
            self.notes.add(where, "stands after an entry that denies part of the same; it is left out")
            return None
        if found.initiated_by and found.protocol != "tcp":
            self.notes.add(f"{where}/matches", "direction-initiated is defined for TCP only; it is kept")
        assert found.peer is not None
        return Ace(
            name=name,
            direction="from-device" if outward else "to-device",
            peer=found.peer,
            protocol=found.protocol,
            ports=found.ports,
            local_ports=found.local_ports,
            icmp_type=found.icmp_type,
            icmp_code=found.icmp_code,
            initiated_by=found.initiated_by,
            family=found.family,
            rate=self._rate(entry, where),
        )

    def _accepts(self, entry: Members, where: str) -> bool:
        actions = self.notes.typed(entry, "actions", dict, where)
        if actions is None:
            self.notes.add(f"{where}/actions", "missing: nothing says that this is allowed; the entry is left out")
            return False
        self.notes.unknown(actions, {"forwarding", "logging"}, f"{where}/actions")
        if "logging" in actions:
            self.notes.add(f"{where}/actions/logging", "logging is the gateway's matter")
        forwarding = str(actions.get("forwarding")).removeprefix("ietf-access-control-list:")
        if forwarding in ("drop", "reject"):
            return False
        if forwarding != "accept":
            self.notes.add(
                f"{where}/actions/forwarding", f"{shown(forwarding)} is no action of RFC 8519; the entry is left out"
            )
        return forwarding == "accept"


def _overlap(one: Matched, other: Matched) -> bool:
    """Whether both could match one packet. Peers are taken to differ only when both are names."""
    if one.family and other.family and one.family != other.family:
        return False
    if "any" not in (one.protocol, other.protocol) and one.protocol != other.protocol:
        return False
    for left, right in ((one.ports, other.ports), (one.local_ports, other.local_ports)):
        if left and right and not any(a.first <= b.last and b.first <= a.last for a in left for b in right):
            return False
    peers = (one.peer, other.peer)
    return not (all(p and p.kind is PeerKind.DNS_NAME for p in peers) and peers[0] != peers[1])


MUD_URL = re.compile(r"https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")


def is_mud_url(url: str) -> bool:
    """Whether `url` is an https URL of plain characters, without user, fragment or address literal in brackets."""
    return len(url) <= 1024 and MUD_URL.fullmatch(url) is not None


def authority(url: str) -> str:
    """The host of a MUD URL: what `same-manufacturer` compares (RFC 8520 section 8)."""
    return (urlsplit(url).hostname or "") if is_mud_url(url) else ""
