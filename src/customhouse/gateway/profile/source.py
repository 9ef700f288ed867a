"""A profile from any file that can hold one: told by its content, not its name."""

from collections.abc import Sequence
from pathlib import Path

from customhouse.gateway.packet import LARGEST as LARGEST_CAPTURE
from customhouse.gateway.packet import read_capture
from customhouse.host.errors import InputError
from customhouse.model.profile import DeviceProfile

from .capture import learn_profile
from .dossier import read_dossier
from .mud import read_mud
from .plain import read_plain

CAPTURES = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")
"""First bytes of pcap (either byte order, micro- and nanoseconds) and pcapng."""
MUD_KEYS = (b'"ietf-mud:mud"', b'"ietf-access-control-list:')
DOSSIER_KEY = b'"customhouse/dossier/'


def read_profile(paths: Sequence[Path], mac: str = "", signed_by: str = "") -> DeviceProfile:
    """One profile: from a MUD file, a dossier or a TOML file, or from one or more captures of one device.

    `mac`: which device of a capture. Raises InputError naming the file.
    """
    contents = [_read(path) for path in paths]
    where = ", ".join(path.name for path in paths)
    captures = [data.startswith(CAPTURES) for data in contents]
    if all(captures):
        return learn_profile([list(read_capture(data)) for data in contents], mac, where)
    if len(paths) != 1:
        raise InputError(
            "several files make one profile only when all are captures", "give one MUD file, TOML or dossier"
        )
    [data] = contents
    try:
        return _single(data, str(paths[0]), signed_by)
    except InputError as error:
        raise InputError(f"{paths[0]}: {error}", error.hint) from error


def _single(data: bytes, where: str, signed_by: str) -> DeviceProfile:
    text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith((b"{", b"[")) and not text.startswith((b"[[", b"[to]", b"[from]")):
        if DOSSIER_KEY in data[:4096] and not any(key in data for key in MUD_KEYS):
            return read_dossier(data, where)
        return read_mud(data, where, signed_by)
    return read_plain(data, where)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_CAPTURE:
            raise InputError(f"{path} is larger than {LARGEST_CAPTURE} bytes")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
