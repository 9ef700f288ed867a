"""uImage: U-Boot's legacy wrapper around kernels, ramdisks and scripts. Source: U-Boot include/image.h."""

import struct
import zlib

from customhouse.model import Outcome

from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window

_HEADER = struct.Struct(">7I4B32s")
_MULTI = 4
_OS = {2: "NetBSD", 5: "Linux", 14: "VxWorks", 16: "QNX", 17: "U-Boot", 22: "ThreadX", 26: "OpenRTOS"}
_ARCHITECTURES = {
    1: "alpha", 2: "arm", 3: "x86", 5: "mips", 6: "mips64", 7: "powerpc", 9: "sh", 12: "m68k", 14: "microblaze",
    15: "nios2", 22: "arm64", 23: "arc", 24: "x86_64", 25: "xtensa", 26: "riscv",
}  # fmt: skip
_TYPES = {1: "standalone", 2: "kernel", 3: "ramdisk", 4: "multi", 5: "firmware", 6: "script", 7: "filesystem", 8: "dtb"}
_COMPRESSION = {0: "none", 1: "gzip", 2: "bzip2", 3: "lzma", 4: "lzo", 5: "lz4", 6: "zstd"}


class UImage(Format):
    name = "uimage"
    title = "U-Boot legacy image (uImage), multi-file images included"
    magics = (Magic(0, b"\x27\x05\x19\x56"),)
    carries = True

    def _probe(self, data: Window) -> Extent | None:
        raw = data.exactly(0, _HEADER.size)
        _magic, check, time, size, load, entry, _dcrc, os_, arch, type_, comp, name = _HEADER.unpack(raw)
        sound = zlib.crc32(raw[:4] + bytes(4) + raw[8:]) == check
        if not sound and (os_ not in _OS or arch not in _ARCHITECTURES or comp not in _COMPRESSION):
            return None
        if not size:
            return None
        label = name.split(b"\0")[0].decode("utf-8", "replace")
        return Extent(
            size=min(_HEADER.size + size, data.size),
            label=label,
            detail={
                "name": label,
                "operating system": _OS.get(os_, f"number {os_}"),
                "architecture": _ARCHITECTURES.get(arch, f"number {arch}"),
                "type": _TYPES.get(type_, f"number {type_}"),
                "compression": _COMPRESSION.get(comp, f"number {comp}"),
                "load address": f"{load:#010x}",
                "entry point": f"{entry:#010x}",
                "created": str(time),
                "header checksum": "holds" if sound else "does not hold",
            },
        )

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        fields = _HEADER.unpack(data.exactly(0, _HEADER.size))
        size, wanted, type_ = fields[3], fields[6], fields[9]
        payload = data.part(_HEADER.size)
        for name, piece in _pieces(payload, type_):
            tree.file(name, (piece.view(),), Meta())
        if payload.size < size:
            return Ending(Outcome.PARTIAL, f"truncated: {size} bytes are declared and {payload.size} are there")
        if zlib.crc32(payload.view()[:size]) != wanted:
            return Ending(Outcome.PARTIAL, "its data checksum does not hold: damaged or tampered with")
        return DONE


def _pieces(payload: Window, type_: int) -> list[tuple[bytes, Window]]:
    """The one payload, or the several of a multi-file image, each rounded up to four bytes."""
    if type_ != _MULTI:
        return [(b"payload", payload)]
    sizes, at = [], 0
    while size := payload.unpack(">I", at)[0]:
        sizes.append(size)
        at += 4
        if len(sizes) > 64:
            raise Malformed("a multi-file image with more than 64 files")
    at += 4
    pieces = []
    for number, size in enumerate(sizes):
        pieces.append((b"payload-%d" % number, payload.part(at, size)))
        at += -(-size // 4) * 4
    return pieces
