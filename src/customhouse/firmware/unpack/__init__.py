"""Bytes to a file tree: every byte accounted for, nothing of a hostile image outside its work folder."""

from .unpacking import UNPACK_VERSION, Unpacked, identify, unpack

__all__ = ["UNPACK_VERSION", "Unpacked", "identify", "unpack"]
