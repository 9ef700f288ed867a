"""Which Linux kernel the device runs, from the surest source that the image has."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from customhouse.model import DeviceFacts, Digest, Evidence, FileFacts, FileNode, ImagePath, Model

_VERSION: Final = re.compile(r"(?<![\d.])([2-9]\.\d{1,2}(?:\.\d{1,3}){0,2})(?![\d])")
_MODULES: Final = re.compile(r"/lib/modules/(\d\.\d{1,2}(?:\.\d{1,3}){0,2})(?:[-+_][^/]*)?/")
_DETAIL_KEYS: Final = ("kernel_version", "kernel", "linux", "name", "version", "label", "banner")


class Kernel(Model, frozen=True, kw_only=True):
    """`version` is upstream's (`3.10.14`), without what the vendor appended."""

    version: str
    evidence: tuple[Evidence, ...] = ()


def kernel_of(device: DeviceFacts) -> Kernel | None:
    """A kernel's own banner or image header, else what the modules were built for."""
    return _from_volumes(device) or _from_components(device) or _from_modules(device.tree.nodes, device.facts)


def _from_volumes(device: DeviceFacts) -> Kernel | None:
    for volume in device.tree.volumes:
        for key in _DETAIL_KEYS:
            text = volume.detail.get(key, "")
            match = _VERSION.search(text)
            if match and (key.startswith(("kernel", "linux", "banner")) or "linux" in text.lower()):
                place = Evidence(path=ImagePath(f"@{volume.name}"), offset=volume.offset, excerpt=text[:160])
                return Kernel(version=match.group(1), evidence=(place,))
    return None


def _from_components(device: DeviceFacts) -> Kernel | None:
    for component in device.components:
        if component.name in ("linux", "linux-kernel", "linux_kernel") and _VERSION.fullmatch(component.version):
            return Kernel(version=component.version, evidence=component.evidence[:3])
    return None


def _from_modules(nodes: Sequence[FileNode], facts: Mapping[Digest, FileFacts]) -> Kernel | None:
    counted: dict[str, tuple[int, Evidence]] = {}
    for node in nodes:
        match = _MODULES.search(node.path)
        if match and node.digest is not None:
            count, place = counted.get(
                match.group(1), (0, Evidence(path=node.path, digest=node.digest, excerpt=node.path))
            )
            counted[match.group(1)] = (count + 1, place)
        known = facts.get(node.digest) if node.digest else None
        stated = known.elf.modinfo.get("vermagic", "") if known is not None and known.elf is not None else ""
        found = _VERSION.match(stated)
        if found:
            count, place = counted.get(
                found.group(1), (0, Evidence(path=node.path, digest=node.digest, excerpt=stated[:120]))
            )
            counted[found.group(1)] = (count + 2, place)
    if not counted:
        return None
    version = max(counted, key=lambda v: (counted[v][0], v))
    return Kernel(version=version, evidence=(counted[version][1],))
