"""What the firmware itself shows of how its components are used, as plain values for the judgement.

Read, not asked: which services boot starts and on which ports, which applets are started, which functions of a
library the programs import, for which machine it was built.
"""

import datetime
from collections.abc import Iterable
from pathlib import PurePosixPath

from customhouse.judgement.situation import Seen
from customhouse.model import Component, DeviceFacts, ElfFacts, FileNode, How, NodeKind, Service

from .symbols import conditions_of

MULTI_CALL = ("busybox", "toybox")
_MODULES = {"nf_tables": "nf-tables", "algif_aead": "algif-aead"}
_CLIENTS = ("wpa_supplicant", "pppd", "dhcpcd", "openvpn", "strongswan", "ntpclient", "chrony")
"""Daemons that act as clients by nature: started means used as a client."""
_EARLIEST, _LATEST = 946_684_800, 4_102_444_800
"""2000 and 2100: clocks that were never set, and bytes that are no time, lie outside."""
_ARM = ("armel", "armhf", "arm")


def seen_of(device: DeviceFacts, components: Iterable[Component] | None = None) -> tuple[Seen, ...]:
    """One `Seen` a component name, over all its copies on the device."""
    grouped: dict[str, list[Component]] = {}
    for component in device.components if components is None else components:
        if component.how is not How.MENTIONS:
            grouped.setdefault(component.name, []).append(component)
    view = _View(device)
    return tuple(view.seen(name, copies) for name, copies in sorted(grouped.items()))


class _View:
    """The device by path, looked at once."""

    def __init__(self, device: DeviceFacts) -> None:
        self.device = device
        self.nodes: dict[str, FileNode] = {str(node.path): node for node in device.tree.nodes}
        self.elves: dict[str, ElfFacts] = {}
        for path, node in self.nodes.items():
            facts = device.facts.get(node.digest) if node.digest else None
            if facts is not None and facts.elf is not None:
                self.elves[path] = facts.elf
        self.boot = [service for service in device.services if service.at_boot]
        self.conditional = [
            service for service in device.services if service.condition and service.condition_holds is None
        ]
        self.build = self._build()
        self.built = built_by(device)

    def seen(self, name: str, copies: list[Component]) -> Seen:
        files = frozenset(path for copy in copies for path in copy.files)
        kernel = name == "linux-kernel"  # its TCP is met by whoever reaches a TCP port of any service
        starts = [s for s in self.boot if (kernel and _tcp(s)) or self._is(s, name, files)]
        perhaps = [s for s in self.conditional if self._is(s, name, files)]
        facts, sources = self._facts(name, files)
        ports = sorted(
            {f"{p.protocol}/{p.number}" for s in starts for p in s.ports if not kernel or p.protocol == "tcp"},
            key=lambda text: (text.split("/")[0], int(text.split("/")[1])),
        )
        return Seen(
            component=name,
            source="start-up scripts",
            sides=self._sides(name, starts),
            library=(not kernel and (not self.elves or _system(copies)))
            or any(self.elves[path].soname for path in files if path in self.elves),
            starts_if=perhaps[0].condition if perhaps and not starts else "",
            started_by=_starter(starts),
            ports=tuple(ports),
            applets=self._applets(files) if name in MULTI_CALL else None,
            applets_run=frozenset(service.applet for service in starts if service.applet),
            applets_if=self._applets_if(name),
            called=self._called(files),
            built=self.built,
            facts=facts,
            facts_from=sources,
        )

    def _sides(self, name: str, starts: list[Service]) -> frozenset[str]:
        found = set()
        if any(service.network_facing or service.ports for service in starts):
            found.add("server")
        if starts and name in _CLIENTS:
            found.add("client")
        return frozenset(found)

    def _is(self, service: Service, name: str, files: frozenset[str]) -> bool:
        if service.applet:
            return name in MULTI_CALL
        return service.program in files or self._real(service.program) in files

    def _real(self, path: str) -> str:
        """The end of a chain of links inside one volume; a chain that leaves what we know ends where it left."""
        for _ in range(20):
            node = self.nodes.get(path)
            if node is None or node.kind is not NodeKind.SYMLINK:
                return path
            target = PurePosixPath(node.target)
            joined = target if target.is_absolute() else PurePosixPath(path).parent / target
            path = _flat(joined)
        return path

    def _applets(self, files: frozenset[str]) -> frozenset[str] | None:
        """Applets in the program's own table; None where no table was read."""
        tables: list[tuple[str, ...]] = []
        for path in files:
            node = self.nodes.get(path)
            facts = self.device.facts.get(node.digest) if node and node.digest else None
            if facts is not None and facts.applets is not None and facts.applets.names:
                tables.append(facts.applets.names)
        return frozenset(name for table in tables for name in table) or None

    def _applets_if(self, name: str) -> frozenset[str]:
        """Applets that something starts once a condition holds: when an address is asked for, when Wi-Fi is set up."""
        waiting = [s for s in self.device.services if s.condition and not s.at_boot and s.applet]
        return frozenset(s.applet for s in waiting) if name in MULTI_CALL else frozenset()

    def _called(self, files: frozenset[str]) -> frozenset[str] | None:
        """Functions that others import from the shared libraries among `files`; None for what is linked in."""
        names = {self.elves[path].soname for path in files if path in self.elves and self.elves[path].soname}
        if not names or any(path in self.elves and not self.elves[path].soname for path in files):
            return None
        return frozenset(name for elf in self._users(names) for name in elf.imports)

    def _users(self, names: set[str]) -> list[ElfFacts]:
        return [elf for elf in self.elves.values() if names & set(elf.needed)]

    def _build(self) -> tuple[dict[str, bool], dict[str, str]]:
        """Facts about the build that every component shares."""
        facts: dict[str, bool] = {}
        sources: dict[str, str] = {}

        def note(name: str, value: bool, source: str) -> None:
            facts.setdefault(name, value)
            sources.setdefault(name, source)

        machines = {elf.architecture for elf in self.elves.values()}
        if machines:
            note("arm", bool(machines & set(_ARM)), "ELF headers")
            note("x86", bool(machines & {"i386", "x86-64"}), "ELF headers")
            note("32-bit", any(elf.bits == 32 for elf in self.elves.values()), "ELF headers")
            note("big-endian", any(elf.big_endian for elf in self.elves.values()), "ELF headers")
        if any(elf.interpreter for elf in self.elves.values()):
            note("linux", True, "ELF interpreter")
        for path in self.nodes:
            stem = PurePosixPath(path).name.removesuffix(".ko")
            if path.endswith(".ko") and stem in _MODULES:
                note(_MODULES[stem], True, path)
        if any(node.mode & 0o4000 and node.uid == 0 for node in self.nodes.values() if node.kind is NodeKind.FILE):
            note("set-uid-program", True, "file modes")
        return facts, sources

    def _facts(self, name: str, files: frozenset[str]) -> tuple[dict[str, bool], dict[str, str]]:
        facts, sources = dict(self.build[0]), dict(self.build[1])
        libraries = [self.elves[path] for path in files if path in self.elves]
        if libraries and all(elf.soname for elf in libraries):
            said = conditions_of(name, libraries, self._users({elf.soname for elf in libraries}))
            facts |= said
            sources |= dict.fromkeys(said, "symbol tables")
        if name == "curl" and any(PurePosixPath(path).name == "curl" for path in self.elves):
            facts["curl-tool"], sources["curl-tool"] = True, "file tree"
        elif name == "curl" and self.elves:
            facts["curl-tool"], sources["curl-tool"] = False, "file tree"
        return facts, sources


def built_by(device: DeviceFacts) -> datetime.date | None:
    """The day of the newest volume by its header's own time; None where none states one, or none can be true."""
    days = []
    for volume in device.tree.volumes:
        stated = volume.detail.get("created", "")
        if stated.isdigit() and _EARLIEST <= int(stated) <= _LATEST:
            days.append(datetime.datetime.fromtimestamp(int(stated), datetime.UTC).date())
    return max(days, default=None)


def _system(copies: list[Component]) -> bool:
    """An operating system or a distribution (CPE part `o`) is no program that something would start."""
    return any(cpe.startswith("cpe:2.3:o:") for copy in copies for cpe in copy.cpes)


def _tcp(service: Service) -> bool:
    return any(port.protocol == "tcp" for port in service.ports)


def _starter(services: list[Service]) -> str:
    chains = [service.started_by[-1] for service in services if service.started_by]
    return chains[0] if chains else "boot"


def _flat(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            if len(parts) > 1:
                parts.pop()
        elif part != ".":
            parts.append(part)
    return str(PurePosixPath(*parts)) if parts else "/"
