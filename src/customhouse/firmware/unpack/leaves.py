"""Which contents hold nothing more inside, told from their first bytes: there is no use in searching them."""

from pathlib import Path

_LEAF_HEADS = (
    b"\x7fELF",
    b"\x89PNG\r\n",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"ID3",
    b"OggS",
    b"wOFF",
    b"wOF2",
    b"\x00\x01\x00\x00\x00",
    b"<!DOCTYPE",
    b"<html",
    b"<?xml",
    b"#!",
    b"-----BEGIN",
    b"%PDF",
    b"BM",
    b"\x1bLua",
)
_READABLE = (b"#!", b"<!DOCTYPE", b"<html", b"<?xml", b"-----BEGIN")
_SMALLEST = 32
_LONG_TEXT, _TAIL = 8 << 10, 4096
_LARGEST_PROGRAM = 8 << 20


def ends_otherwise(path: Path, head: bytes, size: int) -> bool:
    """A script or text with something else behind it: an installer with its archive, a header of words."""
    if size < _LONG_TEXT or not (head.startswith(_READABLE) or _is_text(head)):
        return False
    with path.open("rb") as source:
        source.seek(size - _TAIL)
        tail = source.read(_TAIL)
    return sum(byte < 0x09 or 0x0D < byte < 0x20 for byte in tail) > _TAIL // 50


def is_leaf(head: bytes, size: int) -> bool:
    """True for programs, pictures, sounds, pages and text."""
    if size < _SMALLEST:
        return True
    if head.startswith(_LEAF_HEADS):
        return size < _LARGEST_PROGRAM
    return size < 1 << 20 and _is_text(head)


def _is_text(head: bytes) -> bool:
    return all(byte in b"\t\n\r" or 0x20 <= byte < 0x7F or byte >= 0xC2 for byte in head) and head.isascii()
