"""TP-Link's header in front of a firmware (version 1). Source: OpenWrt firmware-utils, mktplinkfw.c."""

import struct

from ..format import DONE, Ending, Extent, Format, Magic, Meta, TreeWriter, Window

_SIZE = 512
_FIELDS = struct.Struct(">4s24s36sIII16sI16sI9I3H")


class TpLink(Format):
    name = "tplink-header"
    title = "TP-Link firmware header, version 1"
    final = True
    magics = (Magic(0, rb"[\x01\x02\x03]\x00\x00\x00[A-Za-z][\x20-\x7e]{3}[\x20-\x7e\x00]{20}", regex=True),)
    limits = "the checksum is not verified: it takes a key that differs by maker"

    def _probe(self, data: Window) -> Extent | None:
        fields = _FIELDS.unpack(data.exactly(0, _FIELDS.size))
        vendor, version, hardware, revision, region = fields[1:6]
        load, entry, length, kernel, kernel_size, root, root_size, boot, boot_size = fields[10:19]
        if data.size < _SIZE or not 0 < kernel_size < length or not root_size or length > 1 << 28:
            return None
        if (
            max(kernel, root, boot) >= length
            or max(kernel + kernel_size, root + root_size, boot + boot_size) > length * 2
        ):
            return None
        return Extent(
            size=_SIZE,
            label=_text(vendor),
            detail={
                "vendor": _text(vendor),
                "version": _text(version),
                "firmware version": ".".join(str(number) for number in fields[19:22]),
                "hardware": f"{hardware:#010x} revision {revision}",
                "region": f"{region:#x}",
                "kernel": f"{kernel_size} bytes at {kernel:#x}, load address {load:#010x}, entry point {entry:#010x}",
                "root file system": f"{root_size} bytes at {root:#x}",
                "boot loader": f"{boot_size} bytes at {boot:#x}",
                "length": str(length),
            },
        )

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        tree.file(b"header", (data.view(),), Meta())
        return DONE


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("ascii", "replace").strip()
