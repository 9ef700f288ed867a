"""ELF facts: what a program is made for, what it loads and offers, how it is hardened."""

import re
from collections.abc import Sequence
from typing import Final

from customhouse.model import ElfFacts, FileKind

from . import elf_file
from .elf_file import ElfFile, Malformed, Symbol
from .extractor import Content, Hit, Pattern

_MACHINES: Final = {
    2: "sparc", 3: "i386", 4: "m68k", 8: "mips", 10: "mips", 15: "hppa", 20: "ppc", 21: "ppc64", 22: "s390x",
    40: "arm", 42: "sh", 43: "sparc64", 45: "arc", 62: "x86_64", 83: "avr", 92: "or1k", 93: "arc", 94: "xtensa",
    106: "blackfin", 113: "nios2", 164: "hexagon", 183: "aarch64", 189: "microblaze", 195: "arc", 243: "riscv",
    252: "csky", 258: "loongarch",
}  # fmt: skip
_TYPES: Final = {1: "rel", 2: "exec", 3: "dyn", 4: "core"}
_EF_ARM_HARD, _EF_ARM_EABI5 = 0x400, 0x05000000
_EF_MIPS_N32 = 0x20
_STB_LOCAL: Final = 0
_NOT_FORTIFY: Final = frozenset({"__stack_chk_fail", "__stack_chk_guard", "__stack_chk_fail_local"})
_FORTIFIED: Final = re.compile(r"^__\w+_chk$")
_NOTE_BUILD_ID: Final = b"GNU\0"
_MOST_NAMES: Final = 20_000


def architecture_of(file: ElfFile) -> str:
    """Debian's port name where one fits."""
    header = file.header
    machine = _MACHINES.get(header.machine, f"machine-{header.machine}")
    if machine == "arm":
        return "armeb" if header.big_endian else "armhf" if _is_hard_float(file) else "armel"
    if machine == "mips":
        width = "64" if header.bits == 64 else "n32" if header.flags & _EF_MIPS_N32 else ""
        return f"mips{width}" + ("" if header.big_endian else "el")
    if machine == "aarch64":
        return "arm64"
    if machine == "riscv":
        return f"riscv{header.bits}"
    if machine == "ppc64":
        return "ppc64" if header.big_endian else "ppc64el"
    return {"x86_64": "x86-64"}.get(machine, machine)


def _is_hard_float(file: ElfFile) -> bool:
    """EF_ARM_ABI_FLOAT_HARD, or Tag_ABI_VFP_args (28) = 1 in the build attributes, or the loader's name."""
    if file.header.flags & _EF_ARM_HARD:
        return True
    return _interpreter(file).endswith(("armhf.so.1", "ld-linux-armhf.so.3")) or b"\x1c\x01" in file.section(
        ".ARM.attributes"
    )


def _interpreter(file: ElfFile) -> str:
    for segment in file.segments:
        if segment.type == elf_file.PT_INTERP:
            raw = file.data[segment.offset : segment.offset + min(segment.file_size, 256)]
            return raw.split(b"\0", 1)[0].decode("utf-8", "replace")
    return ""


def _build_id(file: ElfFile) -> str:
    """From the PT_NOTE segment or .note.gnu.build-id: name size, descriptor size, type 3, "GNU", bytes."""
    order = "big" if file.header.big_endian else "little"
    places = [
        file.data[s.offset : s.offset + min(s.file_size, 4096)] for s in file.segments if s.type == elf_file.PT_NOTE
    ]
    for note in [*places, file.section(".note.gnu.build-id")]:
        at = note.find(_NOTE_BUILD_ID, 12)
        if at >= 12 and int.from_bytes(note[at - 4 : at], order) == 3:  # type: ignore[arg-type]
            size = int.from_bytes(note[at - 8 : at - 4], order)  # type: ignore[arg-type]
            if 8 <= size <= 64:
                return note[at + 4 : at + 4 + size].hex()
    return ""


def _relro(file: ElfFile) -> str:
    if not any(segment.type == elf_file.PT_GNU_RELRO for segment in file.segments):
        return "none"
    now = file.tag(elf_file.DT_BIND_NOW) is not None
    now = now or bool((file.tag(elf_file.DT_FLAGS) or 0) & 0x8) or bool((file.tag(elf_file.DT_FLAGS_1) or 0) & 0x1)
    return "full" if now else "partial"


def _is_nx(file: ElfFile) -> bool:
    """Without PT_GNU_STACK the kernel gives an executable stack."""
    stack = next((s for s in file.segments if s.type == elf_file.PT_GNU_STACK), None)
    return stack is not None and not stack.flags & 1


def _modinfo(file: ElfFile) -> dict[str, str]:
    """Of a kernel module: `key=value` strings; `alias` and `depends` lists are left out."""
    wanted = ("vermagic", "version", "license", "description", "author", "name", "srcversion", "intree")
    found: dict[str, str] = {}
    for entry in file.section(".modinfo")[: 1 << 16].split(b"\0"):
        key, equals, value = entry.partition(b"=")
        name = key.decode("ascii", "replace")
        if equals and name in wanted and name not in found:
            found[name] = value.decode("utf-8", "replace")[:200]
    return found


def _comment(file: ElfFile) -> str:
    parts = [part.decode("utf-8", "replace") for part in file.section(".comment")[:4096].split(b"\0") if part]
    return "; ".join(dict.fromkeys(parts))[:400]


def _names(symbols: Sequence[Symbol], *, defined: bool) -> tuple[str, ...]:
    picked = {s.name for s in symbols if s.name and s.defined is defined and (not defined or s.binding != _STB_LOCAL)}
    return tuple(sorted(picked)[:_MOST_NAMES])


def facts_of(data: bytes) -> ElfFacts:
    """Raises `Malformed` when not even the ELF header holds."""
    file = ElfFile(data)
    symbols = file.dynamic_symbols()
    static = file.symbols()
    if file.header.type == 1:  # a relocatable object (kernel module) has only the static table
        symbols = static
    known = {s.name for s in symbols} | {s.name for s in static}
    imports = _names(symbols, defined=False)
    interpreter = _interpreter(file)
    flags_1 = file.tag(elf_file.DT_FLAGS_1) or 0
    return ElfFacts(
        machine=_MACHINES.get(file.header.machine, f"machine-{file.header.machine}"),
        bits=file.header.bits,
        big_endian=file.header.big_endian,
        type=_TYPES.get(file.header.type, "other"),
        architecture=architecture_of(file),
        interpreter=interpreter,
        soname=file.dynamic_string(file.tag(elf_file.DT_SONAME) or 0) if file.tag(elf_file.DT_SONAME) else "",
        needed=tuple(file.dynamic_string(value) for tag, value in file.dynamic if tag == elf_file.DT_NEEDED)[:200],
        imports=imports,
        exports=_names(symbols, defined=True) if file.header.type != 1 else (),
        symbol_versions=tuple(sorted({*file.needed_versions()} - {""})),
        defined_versions=tuple(sorted({*file.defined_versions()} - {""})),
        is_static=file.header.type == 2 and not interpreter and not file.dynamic,
        stripped=not static,
        nx=_is_nx(file),
        pie=file.header.type == 3 and (bool(interpreter) or bool(flags_1 & 0x08000000)),
        relro=_relro(file),
        canary=bool(known & _NOT_FORTIFY),
        fortify=any(_FORTIFIED.match(name) and name not in _NOT_FORTIFY for name in known),
        build_id=_build_id(file),
        comment=_comment(file),
        modinfo=_modinfo(file) if file.header.type == 1 else {},
    )


class ElfExtractor:
    """Fills `FileFacts.elf`."""

    name = "elf"
    version = "1"
    result = ElfFacts
    patterns: tuple[Pattern, ...] = ()
    seconds = 60.0

    def wants(self, kind: FileKind, size: int) -> bool:
        return kind in (FileKind.ELF, FileKind.KERNEL_MODULE)

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> ElfFacts:
        try:
            return facts_of(content.data)
        except Malformed:
            # Says ELF in its first four bytes and nothing after that holds: known to be that, and no more.
            return ElfFacts(machine="unknown", bits=0, big_endian=False, type="malformed", architecture="unknown")
