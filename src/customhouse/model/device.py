"""What a device does: derived in `link` from its files, asked about in `checks`."""

from enum import StrEnum

from .base import Confidence, Digest, Model
from .evidence import Evidence


class Port(Model, frozen=True, kw_only=True):
    """A transport port. `protocol` is tcp or udp."""

    number: int
    protocol: str


class Account(Model, frozen=True, kw_only=True):
    """A local account. `password` is the recovered clear text, None when not recovered; `empty` : none is asked for."""

    user: str
    uid: int | None = None
    shell: str = ""
    hash_kind: str = ""
    """none, locked, des, md5, sha256, sha512, bcrypt, yescrypt, clear-text, unknown; empty where no hash stands."""
    password: str | None = None
    empty: bool = False
    remote: bool = False
    """A login service that starts at boot accepts this account."""
    via: tuple[str, ...] = ()
    """Programs of those services."""
    evidence: tuple[Evidence, ...] = ()


class Service(Model, frozen=True, kw_only=True):
    """A program that something starts, or that could be started."""

    kind: str
    """One of telnet, ssh, http, ftp, tftp, upnp, dns, dhcp, ntp, snmp, mqtt, mdns, rtsp, onvif, tr069, vpn, wireless,
    file-sharing, console, debug, update, removable (a program on removable media), other."""
    program: str
    """Image path of what is executed, symlinks as written (`/usr/sbin/telnetd`)."""
    applet: str = ""
    """busybox or toybox applet, when the program is one."""
    arguments: tuple[str, ...] = ()
    started_by: tuple[str, ...] = ()
    """Chain of image paths from the first process: `/etc/inittab`, `/etc/init.d/rcS`, `/etc/init.d/S50telnet`."""
    at_boot: bool = False
    condition: str = ""
    """Source text of the tests that guard the start; empty when unconditional."""
    condition_holds: bool | None = None
    """Whether the condition holds in the image as shipped; None when that cannot be told, or there is no condition.
    `at_boot` is only said where there is no condition or it holds."""
    respawn: bool = False
    ports: tuple[Port, ...] = ()
    user: str = "root"
    authentication: str = "unknown"
    """none, password, key, unknown."""
    network_facing: bool = False
    evidence: tuple[Evidence, ...] = ()


class Secret(Model, frozen=True, kw_only=True):
    """A secret inside the image. `kind`: private-key, certificate, api-key, wifi-key, token, password, key-material."""

    kind: str
    subject: str = ""
    used_by: tuple[str, ...] = ()
    detail: str = ""
    digest: Digest | None = None
    """SHA-256 of the secret itself, to recognise the same one elsewhere without printing it."""
    evidence: tuple[Evidence, ...] = ()


class Endpoint(Model, frozen=True, kw_only=True):
    """A host that the device's programs name."""

    host: str
    scheme: str = ""
    port: int | None = None
    domain: str = ""
    """Registrable domain, empty for addresses."""
    role: str = "service"
    """service: a host of the Internet; local: an address of a local network."""
    clear_text: bool = False
    programs: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class UpdatePath(Model, frozen=True, kw_only=True):
    """A way in which new firmware arrives."""

    mechanism: str
    transport: str = "unknown"
    """https, http, ftp, tftp, mqtt, local-file, web-form, removable-media, unknown."""
    signature_checked: bool | None = None
    """None when it could not be told."""
    certificate_checked: bool | None = None
    detail: str = ""
    evidence: tuple[Evidence, ...] = ()


class Hardening(Model, frozen=True, kw_only=True):
    """Exploit mitigations of one program."""

    program: str
    nx: bool
    pie: bool
    relro: str
    """none, partial, full."""
    canary: bool
    fortify: bool
    network_facing: bool = False
    architecture: str = ""


class FlowStep(Model, frozen=True, kw_only=True):
    """One function on the way from source to sink. `address` is a virtual address."""

    function: str
    address: int


JOINT = " … "
"""Between words that a packet must all have."""


class Rehearsed(StrEnum):
    """What runs of a program in the emulator showed of a flow: bytes on which a shell acts came through to the command,
    or a copy passed the end of its buffer; nothing did, although harmless bytes came through, and longer copies were
    asked for; or the command, or the copy, was not reached. Empty where none was run.
    """

    CONFIRMED = "confirmed"
    KEPT_OUT = "kept out"
    NOT_REACHED = "not reached"
    NOT_RUN = ""


class Flow(Model, frozen=True, kw_only=True):
    """Bytes from outside that become a command, or that overrun a buffer."""

    program: str
    architecture: str
    source: str
    """What brings the bytes in: `recvfrom@0x11a4`."""
    sink: str
    kind: str
    """command or overflow."""
    port: int | None = None
    port_certainty: str = "unknown"
    protocol: str = ""
    magic: str = ""
    """What received bytes are compared with on all ways there: a command's name, the head of a packet. Several words
    that must all be there stand in the order in which they are asked, with `JOINT` between them.
    """
    command: str = ""
    """Format string or fixed part of the command."""
    room: int | None = None
    """Bytes from the beginning of the buffer that is overrun to the next thing of which machine code tells where it
    begins: the buffer has no more, and may have less. None where that is not known.
    """
    path: tuple[FlowStep, ...] = ()
    started_by: tuple[str, ...] = ()
    at_boot: bool = False
    """Something starts the program, or one that loads this library, by itself; False where nothing known does."""
    user: str = ""
    confidence: Confidence
    rehearsed: Rehearsed = Rehearsed.NOT_RUN
    evidence: tuple[Evidence, ...] = ()


class ConstructedCommand(Model, frozen=True, kw_only=True):
    """A command whose text is not constant, whether or not its inputs could be traced to a source."""

    program: str
    sink: str
    address: int
    format: str = ""
    inputs: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
