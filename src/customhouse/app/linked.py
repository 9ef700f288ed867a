"""The result of joining an image's files, remembered: a repeat audit joins nothing anew.

Kept under everything that it was made from. A result that a budget or a fault had a hand in is not kept.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

import customhouse
from customhouse.host.store import Store
from customhouse.model import Component, DeviceFacts, Digest, FileFacts, FileTree, Outcome

from .rules import rules_version

KIND = "linked"


def installation(package: Path) -> str:
    """Names, sizes and times of all our own files: any change of the code, wherever it is, makes an answer anew."""
    files = sorted(path for path in package.rglob("*.py"))
    stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(msgspec.msgpack.encode(stamps)).hexdigest()


_INSTALLED = installation(Path(customhouse.__file__).parent)
"""Taken when this process loaded the code, not later: what was edited since is not what gives the answers."""


def remembered_or_linked(
    image: str,
    tree: FileTree,
    facts: Mapping[Digest, FileFacts],
    options: tuple[bool, tuple[Component, ...]],
    store: Store,
    link_now: Callable[[], DeviceFacts],
) -> DeviceFacts:
    """`image` names the unpacked image and how it was unpacked; `options` are those of `link`."""
    if any(known.outcomes for known in facts.values()):
        return link_now()
    key = hashlib.sha256(msgspec.msgpack.encode((image, rules_version(), _INSTALLED, options))).hexdigest()
    kept = store.get(KIND, key)
    device = _decoded(kept) if kept is not None else None
    if device is None:
        device = link_now()
        if not any(entry.outcome in (Outcome.SKIPPED, Outcome.FAILED) for entry in device.not_examined):
            bare = msgspec.structs.replace(device, tree=FileTree(), facts={})
            store.put(KIND, key, msgspec.msgpack.encode(bare))
        return device
    return msgspec.structs.replace(device, tree=tree, facts=dict(facts))


def _decoded(kept: bytes) -> DeviceFacts | None:
    """None where the store holds something else under this key: it is then made again."""
    try:
        return msgspec.msgpack.decode(kept, type=DeviceFacts)
    except (msgspec.DecodeError, ValueError):
        return None
