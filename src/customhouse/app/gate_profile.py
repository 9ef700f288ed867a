"""`customhouse gate profile`: read a profile from whatever holds one, check it, explain it, write it as MUD."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from customhouse.gateway.profile.explain import explain
from customhouse.gateway.profile.fetch import fetch
from customhouse.gateway.profile.mud import read_mud
from customhouse.gateway.profile.signature import verify_signature
from customhouse.gateway.profile.source import read_profile
from customhouse.gateway.profile.write import write_mud
from customhouse.host.errors import InputError
from customhouse.model.profile import DeviceProfile


def load_profile(
    sources: Sequence[str], *, mac: str = "", signature: Path | None = None, authority: Path | None = None
) -> DeviceProfile:
    """From files, or from one https URL. With `signature` and `authority`, only a file whose signature holds.

    Raises InputError when it cannot be read, fetched or verified.
    """
    if signature is not None and authority is None:
        raise InputError("a signature was given and no authority to trust", "add --ca FILE")
    remote = [source for source in sources if source.startswith(("https://", "http://"))]
    if remote and len(sources) > 1:
        raise InputError("a URL stands alone: one profile comes from one place")
    if remote:
        found = fetch(remote[0])
        signer = _signer(found.body, signature, authority)
        return read_mud(found.body, found.url, signer)
    paths = [Path(source) for source in sources]
    signer = _signer(paths[0].read_bytes(), signature, authority) if signature and paths[0].is_file() else ""
    return read_profile(paths, mac, signer)


def _signer(document: bytes, signature: Path | None, authority: Path | None) -> str:
    if signature is None or authority is None:
        return ""
    try:
        return verify_signature(document, signature.read_bytes(), authority)
    except OSError as error:
        raise InputError(f"{signature}: {error.strerror}") from error


def described(profile: DeviceProfile) -> Iterator[str]:
    """What the profile says, then what of its source it does not carry."""
    yield from explain(profile)
    if profile.unsupported:
        yield f"not carried ({len(profile.unsupported)})"
        yield from (f"  {part.what}: {part.why}" for part in profile.unsupported)


def encoded(profile: DeviceProfile) -> str:
    """The profile as JSON."""
    return msgspec.json.format(msgspec.json.encode(profile), indent=2).decode() + "\n"


def save_mud(profile: DeviceProfile, target: Path, url: str) -> None:
    """Write it as an RFC 8520 file. Raises InputError when it has no URL or cannot be written."""
    text = write_mud(profile, url)
    try:
        target.write_text(text)
    except OSError as error:
        raise InputError(f"{target}: {error.strerror}") from error
