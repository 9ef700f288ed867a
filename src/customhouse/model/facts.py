"""Facts of one file's bytes (no path, no neighbours), and of a whole device.

Each extractor owns one field of `FileFacts` and is cached apart, under (content digest, extractor, its version,
what it depends on). A field is None where the extractor did not want the file or could not finish; the latter
leaves an entry in `outcomes`.
"""

from enum import StrEnum

from .base import Digest, Model, Outcome
from .component import Component, SbomDifference
from .device import (
    Account,
    ConstructedCommand,
    Endpoint,
    Flow,
    Hardening,
    Secret,
    Service,
    UpdatePath,
)
from .evidence import NotExamined
from .tree import FileTree


class FileKind(StrEnum):
    """What a content is, by its first bytes and shape; enough to decide which extractors want it."""

    ELF = "elf"
    SCRIPT = "script"
    """Text that starts with #!, or a shell fragment by its form."""
    TEXT = "text"
    KERNEL_MODULE = "kernel-module"
    KERNEL = "kernel"
    PEM = "pem"
    ARCHIVE = "archive"
    IMAGE = "image"
    """A picture, sound or font."""
    MCU = "mcu"
    """Microcontroller application image or segment."""
    EMPTY = "empty"
    DATA = "data"


class ElfFacts(Model, frozen=True, kw_only=True):
    """Of one ELF file. Addresses and sizes in bytes."""

    machine: str
    """arm, aarch64, mips, x86_64, i386 ..."""
    bits: int
    big_endian: bool
    type: str
    """exec, dyn, rel, core."""
    architecture: str
    """armel, armhf, arm64, mipsel, mips, x86-64, i386 ...: the name of Debian's port where one fits."""
    interpreter: str = ""
    soname: str = ""
    needed: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    symbol_versions: tuple[str, ...] = ()
    """Versions required of others: `GLIBC_2.4`."""
    defined_versions: tuple[str, ...] = ()
    is_static: bool = False
    stripped: bool = True
    nx: bool = False
    pie: bool = False
    relro: str = "none"
    canary: bool = False
    fortify: bool = False
    build_id: str = ""
    comment: str = ""
    """The compiler's own words in .comment."""
    modinfo: dict[str, str] = {}
    """Of a kernel module: vermagic, version, license, description."""


class TextFacts(Model, frozen=True, kw_only=True):
    """A text file small enough to keep: scripts and configuration."""

    text: str
    encoding: str
    interpreter: str = ""
    """Of a script, the program after #!, without its folder (`sh`, `lua`, `php`)."""


class HostMention(Model, frozen=True, kw_only=True):
    """A host or URL in a content. `offset` in bytes."""

    host: str
    scheme: str = ""
    port: int | None = None
    offset: int = 0
    excerpt: str = ""


class SecretHit(Model, frozen=True, kw_only=True):
    """A secret in a content, without saying whose."""

    kind: str
    offset: int
    excerpt: str
    subject: str = ""
    detail: str = ""
    digest: Digest | None = None


class ContentFacts(Model, frozen=True, kw_only=True):
    """What the one multi-pattern pass and the readers of small formats saw in a content."""

    hosts: tuple[HostMention, ...] = ()
    secrets: tuple[SecretHit, ...] = ()
    hashes: tuple[tuple[str, int], ...] = ()
    """crypt(3) hashes and their offsets, as `user:hash` where a user stands before it."""
    commands: tuple[tuple[str, int], ...] = ()
    """Shell command strings in programs and their offsets."""
    markers: dict[str, tuple[int, ...]] = {}
    """Named features of interest (`curl-insecure`, `flash-write`, `signature-verify`) and where they stand."""
    words: tuple[str, ...] = ()
    """Candidate passwords: short printable strings that stand alone. Bounded."""
    paths: tuple[str, ...] = ()
    """Absolute paths that a program names. Bounded."""


class ComponentHint(Model, frozen=True, kw_only=True):
    """One component rule's match in one content: what kind of proof, and the version it read."""

    rule: str
    how: str
    """A value of `How`."""
    version: str = ""
    offset: int = 0
    excerpt: str = ""
    what: str = ""
    """Which part of the rule matched: `export`, `soname`, `banner`, `note`, `string` ..."""


class ComponentFacts(Model, frozen=True, kw_only=True):
    hints: tuple[ComponentHint, ...] = ()


class ExportRole(Model, frozen=True, kw_only=True):
    """What an exported function of a library does with an argument, as far as its callers' data flow needs to know.

    `role`: `command` (the argument is run by a shell), `command-format` (a printf format whose rendering is run by a
    shell, its values follow it), `source` (the function returns request data), `source-buffer` (it fills the argument
    with request data).
    """

    function: str
    role: str
    argument: int = 0
    """Counted from 0; of no meaning for `source`."""


class ProgramFacts(Model, frozen=True, kw_only=True):
    """What reading the machine code of one program gave; `Flow.program` is empty here and filled in link."""

    flows: tuple[Flow, ...] = ()
    constructed_commands: tuple[ConstructedCommand, ...] = ()
    bound_ports: tuple[tuple[int, str, str], ...] = ()
    """(port, tcp|udp, exact|default)."""
    exports: tuple[ExportRole, ...] = ()
    """Of a library: what link hands to the programs that need it, as msgpack of a tuple of these, in `need`."""
    outcome: Outcome = Outcome.DONE
    why: str = ""


class AppletFacts(Model, frozen=True, kw_only=True):
    """Names in the table of a multi-call program (busybox, toybox); empty where it has none."""

    names: tuple[str, ...] = ()


class FileFacts(Model, frozen=True, kw_only=True):
    digest: Digest
    size: int
    kind: FileKind
    entropy: float | None = None
    elf: ElfFacts | None = None
    text: TextFacts | None = None
    content: ContentFacts | None = None
    components: ComponentFacts | None = None
    program: ProgramFacts | None = None
    applets: AppletFacts | None = None
    outcomes: dict[str, Outcome] = {}
    """By extractor, only where it is not `done`."""


class DeviceFacts(Model, frozen=True, kw_only=True):
    """The whole device: its files and what was derived by joining them. Checks ask this, and nothing else."""

    tree: FileTree
    facts: dict[Digest, FileFacts]
    accounts: tuple[Account, ...] = ()
    services: tuple[Service, ...] = ()
    secrets: tuple[Secret, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    updates: tuple[UpdatePath, ...] = ()
    hardening: tuple[Hardening, ...] = ()
    components: tuple[Component, ...] = ()
    unnamed_programs: tuple[str, ...] = ()
    sbom_differences: tuple[SbomDifference, ...] = ()
    """Against the suppliers' lists that were handed over; empty when none was."""
    flows: tuple[Flow, ...] = ()
    constructed_commands: tuple[ConstructedCommand, ...] = ()
    not_examined: tuple[NotExamined, ...] = ()
