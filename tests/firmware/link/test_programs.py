"""Waves and needs, with an extractor that stands in for the reading of machine code."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from customhouse.firmware.facts.extractor import Content, Hit, Pattern
from customhouse.firmware.link.libraries import is_c_library, libraries_of
from customhouse.firmware.link.programs import analyse_programs, need_of, waves
from customhouse.host.context import Context
from customhouse.model import (
    Digest,
    ElfFacts,
    ExportRole,
    FileFacts,
    FileKind,
    FileNode,
    FileTree,
    ImagePath,
    NodeKind,
    ProgramFacts,
)


class Image:
    """ELF files by path; the bytes of each are its name, so that the stand-in can tell them apart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[FileNode] = []
        self.facts: dict[Digest, FileFacts] = {}
        self.contents: dict[Digest, Path] = {}

    def elf(
        self,
        path: str,
        *,
        needed: tuple[str, ...] = (),
        imports: tuple[str, ...] = (),
        architecture: str = "armel",
        kind: str = "dyn",
    ) -> Digest:
        data = b"\x7fELF" + path.encode()
        digest = Digest(hashlib.sha256(data).hexdigest())
        self.contents[digest] = self.folder / digest
        self.contents[digest].write_bytes(data)
        elf = ElfFacts(
            machine="arm", bits=32, big_endian=False, type=kind, architecture=architecture, needed=needed,
            imports=imports, soname=path.rpartition("/")[2] if kind == "dyn" else "",
        )  # fmt: skip
        self.facts[digest] = FileFacts(digest=digest, size=len(data), kind=FileKind.ELF, elf=elf)
        self.nodes.append(FileNode(path=ImagePath(path), kind=NodeKind.FILE, mode=0o755, digest=digest))
        return digest

    @property
    def tree(self) -> FileTree:
        return FileTree(nodes=tuple(self.nodes))


class StandIn:
    """A library's exports are told by its bytes; what a program was told of its libraries comes back in `why`."""

    name = "program"
    version = "1"
    result = ProgramFacts
    patterns: tuple[Pattern, ...] = ()
    seconds = 10.0

    def wants(self, kind: FileKind, size: int) -> bool:
        return kind is FileKind.ELF

    def extract(self, content: Content, hits: Sequence[Hit], need: bytes) -> ProgramFacts:
        told = msgspec.msgpack.decode(need, type=tuple[ExportRole, ...]) if need else ()
        why = " ".join(role.function for role in told)
        if bytes(content.data).endswith(b"libbase.so"):
            return ProgramFacts(exports=(ExportRole(function="base_run", role="command"),))
        if bytes(content.data).endswith(b"libvendor.so") and "base_run" in why:
            return ProgramFacts(exports=(ExportRole(function="vendor_run", role="command-format"),), why=why)
        return ProgramFacts(why=why)


def in_process(
    contents: Mapping[Digest, Path],
    extractors: Sequence[StandIn],
    context: Context,
    needs: Mapping[str, Mapping[Digest, bytes]],
    *,
    store: object,
    known: Mapping[Digest, FileFacts],
) -> dict[Digest, FileFacts]:
    """The map step without worker processes, which could not import a test's extractor."""
    [reader] = extractors
    return {
        digest: msgspec.structs.replace(
            known[digest],
            program=reader.extract(Content(digest, path.read_bytes(), FileKind.ELF), (), needs["program"][digest]),
        )
        for digest, path in contents.items()
    }


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    monkeypatch.setattr("customhouse.firmware.link.programs.map_contents", in_process)
    return Image(tmp_path)


def test_a_wrapper_around_another_librarys_wrapper_reaches_the_program(image: Image, tmp_path: Path) -> None:
    image.elf("/lib/libbase.so")
    image.elf("/lib/libvendor.so", needed=("libbase.so",), imports=("base_run",))
    program = image.elf("/bin/daemon", needed=("libvendor.so", "libc.so.6"), imports=("vendor_run",), kind="exec")
    facts = analyse_programs(image.contents, image.facts, image.tree, Context(work=tmp_path), extractor=StandIn())
    assert facts[program].program is not None
    assert facts[program].program.why == "vendor_run"
    assert facts[program].elf == image.facts[program].elf


def test_a_program_is_told_only_of_functions_that_it_imports(image: Image, tmp_path: Path) -> None:
    image.elf("/lib/libbase.so")
    program = image.elf("/bin/other", needed=("libbase.so",), imports=("puts",), kind="exec")
    facts = analyse_programs(image.contents, image.facts, image.tree, Context(work=tmp_path), extractor=StandIn())
    assert facts[program].program is not None
    assert facts[program].program.why == ""


def test_libraries_come_before_what_loads_them_and_circles_end(image: Image) -> None:
    a = image.elf("/lib/liba.so", needed=("libb.so",))
    b = image.elf("/lib/libb.so", needed=("liba.so", "libbase.so"))
    base = image.elf("/lib/libbase.so")
    program = image.elf("/bin/p", needed=("liba.so",), kind="exec")
    order = waves(libraries_of(image.tree, image.facts))
    assert sorted(d for wave in order for d in wave) == sorted([a, b, base, program])
    position = {digest: number for number, wave in enumerate(order) for digest in wave}
    assert position[base] < position[b]
    assert position[program] == len(order) - 1


def test_a_library_of_another_machine_is_not_loaded(image: Image) -> None:
    other = image.elf("/emul/libbase.so", architecture="mips")
    program = image.elf("/bin/p", needed=("libbase.so",), imports=("base_run",), kind="exec")
    known = dict(image.facts)
    exports = ProgramFacts(exports=(ExportRole(function="base_run", role="command"),))
    known[other] = msgspec.structs.replace(known[other], program=exports)
    libraries = libraries_of(image.tree, known)
    assert libraries.needed_by_all([program]) == ()
    assert need_of(program, libraries, known) == b""


def test_the_loader_finds_a_library_by_the_name_of_its_link(image: Image) -> None:
    library = image.elf("/lib/libdev.so.1.2")
    image.nodes.append(FileNode(path=ImagePath("/lib/libdev.so.1"), kind=NodeKind.SYMLINK, target="libdev.so.1.2"))
    program = image.elf("/bin/p", needed=("libdev.so.1",), kind="exec")
    assert libraries_of(image.tree, image.facts).needed(program) == (library,)


@pytest.mark.parametrize(
    "name", ["libc.so.6", "libuClibc-0.9.33.2.so", "ld-uClibc.so.0", "libpthread.so.0", "libgcc_s.so.1", "libc.so"]
)
def test_the_c_library_is_known_by_name(name: str) -> None:
    assert is_c_library(name)


@pytest.mark.parametrize("name", ["libcurl.so.4", "libcommon.so", "libmtd.so", "librtsp.so", "libdlna.so", "ldap.so"])
def test_other_libraries_are_not_taken_for_it(name: str) -> None:
    assert not is_c_library(name)
