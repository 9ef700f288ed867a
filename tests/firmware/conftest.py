"""A device made of text, run through the real link step, so that checks are tested without an image."""

import hashlib
from collections.abc import Sequence

import pytest

from customhouse.firmware.facts import facts_of_bytes
from customhouse.firmware.facts.content import ContentExtractor
from customhouse.firmware.facts.text import TextExtractor
from customhouse.firmware.link import link
from customhouse.model import (
    ContentFacts,
    DeviceFacts,
    Digest,
    ElfFacts,
    FileFacts,
    FileKind,
    FileNode,
    FileTree,
    ImagePath,
    NodeKind,
    ProgramFacts,
    Volume,
)

_EXTRACTORS = (TextExtractor(), ContentExtractor())


class MadeDevice:
    """Files are added one by one; `facts()` links them. Paths of another volume are written `@volume/path`."""

    def __init__(self) -> None:
        self.nodes: dict[str, FileNode] = {}
        self.known: dict[Digest, FileFacts] = {}
        self.volumes: list[Volume] = []

    def file(
        self, path: str, content: str | bytes = "", *, executable: bool | None = None, mode: int | None = None
    ) -> None:
        """A regular file. Text gets TextFacts; scripts (`#!`) and files in init folders may be executable."""
        data = content.encode() if isinstance(content, str) else content
        runs = data.startswith(b"#!") if executable is None else executable
        self._add(path, _facts_of_bytes(data), mode if mode is not None else (0o755 if runs else 0o644))

    def link(self, path: str, target: str) -> None:
        self.nodes[path] = FileNode(
            path=ImagePath(path), kind=NodeKind.SYMLINK, mode=0o777, target=target, volume=_volume(path)
        )

    def directory(self, path: str) -> None:
        self.nodes[path] = FileNode(path=ImagePath(path), kind=NodeKind.DIRECTORY, mode=0o755, volume=_volume(path))

    def node(self, path: str, kind: NodeKind, device: tuple[int, int] | None = None) -> None:
        self.nodes[path] = FileNode(path=ImagePath(path), kind=kind, device=device, volume=_volume(path))

    def elf(
        self,
        path: str,
        *,
        imports: Sequence[str] = (),
        needed: Sequence[str] = (),
        exports: Sequence[str] = (),
        soname: str = "",
        commands: Sequence[str] = (),
        program: ProgramFacts | None = None,
        content: ContentFacts | None = None,
        executable: bool = True,
        **more: object,
    ) -> None:
        """A program or library: ElfFacts as given (`more` are fields of ElfFacts), no machine code behind them."""
        elf_fields: dict[str, object] = {
            "machine": "mips", "bits": 32, "big_endian": False, "type": "exec", "architecture": "mipsel",
            "soname": soname, "imports": tuple(imports), "needed": tuple(needed), "exports": tuple(exports), **more,
        }  # fmt: skip
        if content is None and commands:
            content = ContentFacts(commands=tuple((command, index) for index, command in enumerate(commands)))
        digest = Digest(hashlib.sha256(f"{path}{elf_fields}{content}{program}".encode()).hexdigest())
        facts = FileFacts(
            digest=digest, size=10_000, kind=FileKind.ELF, elf=ElfFacts(**elf_fields), content=content, program=program
        )
        self._add(path, facts, 0o755 if executable else 0o644)

    def volume(
        self, name: str, kind: str = "squashfs", *, root: bool = False, offset: int = 0, part: str = "", **detail: str
    ) -> None:
        self.volumes.append(Volume(name=name, kind=kind, offset=offset, size=0, part=part, root=root, detail=detail))

    def add(self, path: str, facts: FileFacts, mode: int = 0o644) -> None:
        """A file with facts made by the test itself."""
        self._add(path, facts, mode)

    def _add(self, path: str, facts: FileFacts, mode: int) -> None:
        self.known[facts.digest] = facts
        self.nodes[path] = FileNode(
            path=ImagePath(path),
            kind=NodeKind.FILE,
            mode=mode,
            size=facts.size,
            digest=facts.digest,
            volume=_volume(path),
        )

    def tree(self) -> FileTree:
        nodes = tuple(self.nodes[path] for path in sorted(self.nodes))
        return FileTree(nodes=nodes, volumes=tuple(self.volumes))

    def facts(self) -> DeviceFacts:
        """What the real link step makes of it."""
        return link(self.tree(), self.known)


def _volume(path: str) -> str:
    return path[1:].partition("/")[0] if path.startswith("@") else ""


def _facts_of_bytes(data: bytes) -> FileFacts:
    return facts_of_bytes(data, _EXTRACTORS)


@pytest.fixture
def device() -> MadeDevice:
    return MadeDevice()
