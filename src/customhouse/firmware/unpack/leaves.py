"""Which contents hold nothing more inside, told from their first bytes: there is no use in searching them."""

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
_SMALLEST = 32
_LARGEST_PROGRAM = 8 << 20


def is_leaf(head: bytes, size: int) -> bool:
    """True for programs, pictures, sounds, pages and text."""
    if size < _SMALLEST:
        return True
    if head.startswith(_LEAF_HEADS):
        return size < _LARGEST_PROGRAM
    return size < 1 << 20 and _is_text(head)


def _is_text(head: bytes) -> bool:
    return all(byte in b"\t\n\r" or 0x20 <= byte < 0x7F or byte >= 0xC2 for byte in head) and head.isascii()
