"""What a content is, by its first bytes and its shape.

Magic numbers are those of the formats' own specifications; the table is short on purpose: it only has to decide which
extractors want a content, never to name a format for the report (that is the unpacker's question).
"""

import re
from typing import Final

import numpy

from customhouse.model import FileKind

_MAGICS: Final = (
    (b"\x1f\x8b\x08", FileKind.ARCHIVE),
    (b"BZh", FileKind.ARCHIVE),
    (b"\xfd7zXZ\x00", FileKind.ARCHIVE),
    (b"\x5d\x00\x00", FileKind.ARCHIVE),
    (b"PK\x03\x04", FileKind.ARCHIVE),
    (b"\x28\xb5\x2f\xfd", FileKind.ARCHIVE),
    (b"070701", FileKind.ARCHIVE),
    (b"!<arch>\n", FileKind.ARCHIVE),
    (b"hsqs", FileKind.ARCHIVE),
    (b"sqsh", FileKind.ARCHIVE),
    (b"\x89PNG\r\n\x1a\n", FileKind.IMAGE),
    (b"\xff\xd8\xff", FileKind.IMAGE),
    (b"GIF8", FileKind.IMAGE),
    (b"\x00\x00\x01\x00", FileKind.IMAGE),
    (b"OggS", FileKind.IMAGE),
    (b"wOFF", FileKind.IMAGE),
    (b"wOF2", FileKind.IMAGE),
    (b"\x00\x01\x00\x00\x00", FileKind.IMAGE),
    (b"ID3", FileKind.IMAGE),
)
_KERNEL_BANNER: Final = re.compile(rb"Linux version \d+\.\d+\.\d+[^\n\x00]{0,80}\(")
_PEM: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]{3,40}-----")
_SHELL_LINE: Final = re.compile(
    rb"(?m)^[ \t]*(?:(?:if|elif|while|until)[ \t].+|for \w+ in .+|case .+ in|then|fi|done|esac|do|else"
    rb"|[A-Za-z_]\w*\(\)[ \t]*\{?|export \w+|\. /\S+|(?:/usr)?/s?bin/\S+.*"
    rb"|(?:insmod|modprobe|mount|ifconfig|echo|mkdir|telnetd|sleep) .+)[ \t]*;?[ \t]*\r?$"
)
_CONTROL: Final = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})
_TEXT_WINDOW: Final = 1 << 16
_WINDOWS: Final = 16
_WINDOW: Final = 16 << 10  # bytes; counting all of a program would take longer than everything else done to it
_ESP_MAGIC: Final = 0xE9
_ESP_SEGMENTS_MOST: Final = 16


def kind_of(data: bytes) -> FileKind:
    """The kind of a whole content."""
    if not data:
        return FileKind.EMPTY
    if data[:4] == b"\x7fELF":
        return FileKind.KERNEL_MODULE if _is_module(data) else FileKind.ELF
    for magic, kind in _MAGICS:
        if data.startswith(magic):
            return kind
    if looks_like_text(data):
        return _kind_of_text(data)
    if _is_esp(data):
        return FileKind.MCU
    if len(data) > 1 << 19 and _KERNEL_BANNER.search(data):
        return FileKind.KERNEL
    return FileKind.DATA


def looks_like_text(data: bytes) -> bool:
    """No control characters in the first 64 KiB, and not mostly above ASCII unless it is UTF-8."""
    window = data[:_TEXT_WINDOW]
    if len(window.translate(None, _CONTROL)) != len(window):
        return False
    return window.isascii() or _above_ascii(window) * 3 <= len(window) or _is_utf8(window)


def _above_ascii(window: bytes) -> int:
    return int((numpy.frombuffer(window, dtype=numpy.uint8) > 127).sum())


def _is_utf8(window: bytes) -> bool:
    try:
        window.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(window) - 3 and len(window) == _TEXT_WINDOW
    return True


def _kind_of_text(data: bytes) -> FileKind:
    if data.startswith(b"#!"):
        return FileKind.SCRIPT
    if _PEM.search(data, 0, _TEXT_WINDOW) and data.lstrip()[:4096].find(b"-----BEGIN ") >= 0:
        return FileKind.PEM
    lines = data.count(b"\n", 0, _TEXT_WINDOW) + 1
    shell = sum(1 for _ in _SHELL_LINE.finditer(data, 0, _TEXT_WINDOW))
    return FileKind.SCRIPT if shell >= 2 and shell * 3 >= lines else FileKind.TEXT


def _is_module(data: bytes) -> bool:
    """A relocatable ELF file with a kernel module's marks."""
    if len(data) < 20:
        return False
    relocatable = b"\x00\x01" if data[5] == 2 else b"\x01\x00"
    if data[16:18] != relocatable:
        return False
    return b".modinfo\x00" in data or b"vermagic=" in data


def _is_esp(data: bytes) -> bool:
    """Espressif application image: magic, segment count, flash mode 0-5 (ESP-IDF, "App Image Format")."""
    return len(data) > 64 and data[0] == _ESP_MAGIC and 1 <= data[1] <= _ESP_SEGMENTS_MOST and data[2] <= 5


def entropy_of(data: bytes) -> float:
    """Shannon entropy in bits per byte; 0 of nothing. Of a long content, that of windows spread evenly over it."""
    if not data:
        return 0.0
    if len(data) > _WINDOWS * _WINDOW:
        step = (len(data) - _WINDOW) // (_WINDOWS - 1)
        data = b"".join(data[at : at + _WINDOW] for at in range(0, step * _WINDOWS, step))
    counts = numpy.bincount(numpy.frombuffer(data, dtype=numpy.uint8), minlength=256)
    shares = counts[counts > 0] / len(data)
    return round(float(-(shares * numpy.log2(shares)).sum()), 3)
