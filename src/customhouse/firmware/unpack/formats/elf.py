"""Programs that stand between other bytes of an image: a boot loader's stages, a kernel, a vDSO inside a kernel.

Source: System V ABI, chapter 4. Where a program ends is not written anywhere: behind the last thing its headers name.
"""

from collections.abc import Iterator

from ..format import DONE, Ending, Extent, Format, Magic, Malformed, Meta, TreeWriter, Window

_NO_BITS = 8
_MOST_HEADERS = 4096
_KINDS = range(1, 5)  # relocatable, executable, shared, core


class Elf(Format):
    name = "elf"
    title = "ELF program among other bytes"
    final = True
    cut_out = True
    magics = (Magic(0, b"\x7fELF[\x01\x02][\x01\x02]\x01", regex=True),)
    limits = "a signature behind a kernel module's end is not counted to it"

    def _probe(self, data: Window) -> Extent | None:
        wide = data.exactly(4, 1) == b"\x02"
        order = "<" if data.exactly(5, 1) == b"\x01" else ">"
        kind, machine, version = data.unpack(f"{order}2HI", 16)
        if kind not in _KINDS or not machine or version != 1:
            return None
        end = max(_ends(data, order, wide=wide))  # one that is cut off is left with the bytes around it
        return Extent(size=end, detail={"bits": "64" if wide else "32"}) if end <= data.size else None

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        tree.file(b"program.elf", (data.view(),), Meta(mode=0o755))
        return DONE


def _ends(data: Window, order: str, *, wide: bool) -> Iterator[int]:
    """Ends of both header tables and of what they list; of a program cut off, some lie behind the data's end."""
    programs, sections = data.unpack(f"{order}2Q" if wide else f"{order}2I", 32 if wide else 28)
    own, program_size, program_count, section_size, section_count = data.unpack(f"{order}5H", 52 if wide else 40)
    if own != (64 if wide else 52) or max(program_count, section_count) > _MOST_HEADERS:
        raise Malformed("no header of a program")
    yield own
    if program_count:
        if program_size != (56 if wide else 32):
            raise Malformed("program headers of a strange size")
        yield programs + program_size * program_count
        for number in range(program_count):
            at = programs + program_size * number
            if at + program_size <= data.size:
                offset, size = _pair(data, order, at, (8, 32) if wide else (4, 16), wide=wide)
                yield offset + size
    if section_count:
        if section_size != (64 if wide else 40):
            raise Malformed("section headers of a strange size")
        yield sections + section_size * section_count
        for number in range(section_count):
            at = sections + section_size * number
            if at + section_size <= data.size and data.unpack(f"{order}I", at + 4) != (_NO_BITS,):
                offset, size = _pair(data, order, at, (24, 32) if wide else (16, 20), wide=wide)
                yield offset + size


def _pair(data: Window, order: str, at: int, places: tuple[int, int], *, wide: bool) -> tuple[int, int]:
    layout = f"{order}{'Q' if wide else 'I'}"
    return data.unpack(layout, at + places[0])[0], data.unpack(layout, at + places[1])[0]
