"""Which partition of the image stands where: `mount`, fstab and the kernel's mtdparts, mapped to volumes."""

import re
from collections.abc import Mapping

from customhouse.model import Evidence, FileTree, Volume

from .files import Mount

_MTD = re.compile(r"/dev/(?:mtdblock/?|mtd/?|mtdr?o?)(\d+)(?:ro)?$")
_PARTITION = re.compile(r"(-|0x[0-9a-fA-F]+|\d+)([kKmMgG]?)(?:@(0x[0-9a-fA-F]+|\d+)([kKmMgG]?))?(?:\(([^)]*)\))?")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_NOT_STORED = frozenset(
    {
        "tmpfs",
        "ramfs",
        "proc",
        "sysfs",
        "devpts",
        "devtmpfs",
        "debugfs",
        "usbfs",
        "configfs",
        "cgroup",
        "cgroup2",
        "nfs",
        "cifs",
    }
    | {
        "tracefs",
        "securityfs",
        "pstore",
        "mqueue",
        "binfmt_misc",
        "functionfs",
        "usbdevfs",
        "bpf",
        "hugetlbfs",
        "smbfs",
        "vfat",
    }
    | {"fat", "msdos", "exfat", "ntfs", "ntfs-3g", "iso9660", "fuse", "selinuxfs", "bind", "9p"}
)


def is_stored(kind: str) -> bool:
    """Whether a file system of this kind has its files in flash."""
    return kind not in _NOT_STORED


def mtd_partitions(arguments: str) -> list[tuple[int, int, str]]:
    """(start, size, name) of each partition in an `mtdparts=` kernel argument; size 0 where it is "the rest".

    Source: Linux drivers/mtd/parsers/cmdlinepart.c. Only the first device is read; the others start from zero again.
    """
    found = re.search(r"mtdparts=[^: ]*:([^; ]+)", arguments)
    made: list[tuple[int, int, str]] = []
    at = 0
    for size, unit, offset, offset_unit, name in _PARTITION.findall(found[1] if found else ""):
        if offset:
            at = int(offset, 0) * _UNITS[offset_unit.lower()]
        length = 0 if size == "-" else int(size, 0) * _UNITS[unit.lower()]
        made.append((at, length, name))
        at += length
    return made


class Partitions:
    """Finds the volume behind a block device. `arguments` is the kernel command line, empty when unknown."""

    def __init__(self, tree: FileTree, arguments: str = "") -> None:
        present = {str(node.path).partition("/")[0] for node in tree.nodes if str(node.path).startswith("@")}
        self.volumes = [volume for volume in tree.volumes if not volume.root and f"@{volume.name}" in present]
        self.unnamed = sorted(present - {f"@{volume.name}" for volume in self.volumes})
        self.table = mtd_partitions(arguments)
        self.shift = self._shift(tree, arguments)

    def _shift(self, tree: FileTree, arguments: str) -> int:
        """How far the image's offsets are from those of the flash: an update often begins behind the boot loader."""
        named = re.search(r"root=/dev/mtdblock(\d+)", arguments)
        root = next((volume for volume in tree.volumes if volume.root), None)
        if named is None or root is None or int(named[1]) >= len(self.table):
            return 0
        return int(root.offset) - self.table[int(named[1])][0]

    def mount(self, device: str, point: str, kind: str, evidence: tuple[Evidence, ...]) -> Mount | None:
        """The mount, when the image holds a volume for the device; None when it does not or cannot be told."""
        prefix = self._prefix(device, kind)
        return Mount(point.rstrip("/") or "/", prefix, device, kind, evidence) if prefix else None

    def _prefix(self, device: str, kind: str) -> str | None:
        number = _MTD.match(device)
        if number is not None:
            index = int(number[1])
            for prefix, names in self._names().items():
                if any(re.search(rf"(?:^|[^a-z0-9])mtd(?:block)?{index}(?:$|[^0-9])", name) for name in names):
                    return prefix
            if index < len(self.table):
                return self._at(*self.table[index][:2])
        wanted = device.rpartition(":")[2].rpartition("/")[2].lower()
        for prefix, names in self._names().items():
            if any((wanted and wanted == name.rpartition(".")[0].lower()) or wanted == name.lower() for name in names):
                return prefix
        return self._only_one(kind)

    def _names(self) -> Mapping[str, tuple[str, ...]]:
        named = {f"@{volume.name}": (volume.name, volume.part, volume.label) for volume in self.volumes}
        return {**{prefix: (prefix[1:],) for prefix in self.unnamed}, **named}

    def _at(self, start: int, size: int) -> str | None:
        start += self.shift
        for volume in self.volumes:
            if not volume.part and start <= volume.offset and (not size or volume.offset < start + size):
                return f"@{volume.name}"
        return None

    def _only_one(self, kind: str) -> str | None:
        """The one volume of the file system that the device expects there."""
        of_kind: list[Volume] = [volume for volume in self.volumes if kind and volume.kind == kind]
        return f"@{of_kind[0].name}" if len(of_kind) == 1 else None


def fstab(text: str) -> list[tuple[str, str, str, str]]:
    """(device, mount point, kind, options) of each line."""
    rows = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [(row[0], row[1], row[2], row[3] if len(row) > 3 else "") for row in rows if len(row) >= 3]
