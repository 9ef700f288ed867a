"""Memory that the C library owns: what it allocates, its texts, its variables."""

from .frames import Frames

HEAP, HEAP_SIZE = 0x50000000, 1 << 24
_MARGIN = 64
STREAM_SIZE = 256


class Belongings(Frames):
    """A machine with what one run of a program allocated."""

    def own_nothing(self) -> None:
        """Forget what the last run allocated."""
        self.heap = HEAP
        self.sizes: dict[int, int] = {}
        self.allocated: list[int] = []
        """Where allocations begin, in order."""
        self.kept: dict[str, int] = {}
        """Places, and numbers, that functions keep from call to call."""
        self.constants: dict[bytes, int] = {}
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            self.set_variable(name, self.standard_address(number))
        for name in ("optind", "opterr"):
            self.set_variable(name, 1, 4)

    def allocate(self, size: int) -> int:
        """Zeroed memory of its own; 0 where there is none left."""
        if self.heap + size + _MARGIN > HEAP + HEAP_SIZE:
            return 0
        found = self.heap
        self.sizes[found] = size
        self.allocated.append(found)
        self.heap += (size + 63) & ~15
        return found

    def constant(self, data: bytes) -> int:
        """Where a text lies that the C library owns."""
        found = self.constants.get(data)
        if found is None:
            found = self.constants[data] = self.allocate(len(data) + 1)
            self.ram.write(found, data + b"\0")
        return found

    def place(self, name: str, size: int) -> int:
        """Memory that the C library keeps under a name."""
        if name not in self.kept:
            self.kept[name] = self.allocate(size)
        return self.kept[name]

    def errno(self) -> int:
        return self.place("errno", 16)

    # -- variables
    def standard_address(self, number: int) -> int:
        """Where a standard stream lies."""
        return self.place("streams", 3 * STREAM_SIZE) + STREAM_SIZE * number

    def standard(self, address: int) -> int | None:
        """The descriptor of a standard stream."""
        number, rest = divmod(address - self.standard_address(0), STREAM_SIZE)
        return number if not rest and 0 <= number < 3 else None

    def variables_places(self, name: str) -> list[int]:
        """Where the program looks for a variable of the C library."""
        places = [at for at, one in self.image.data_imports.items() if one == name]
        if name in self.image.import_address:
            places.append(self.image.import_address[name])
        return places

    def set_variable(self, name: str, value: int, size: int = 0) -> None:
        """Set a variable of the C library, a pointer unless its size is said."""
        for at in self.variables_places(name):
            self.ram.store(at, value & (1 << 8 * (size or self.image.word)) - 1, size or self.image.word)

    def variable(self, name: str, size: int) -> int | None:
        """What a variable of the C library holds; None where the program does not know it."""
        places = self.variables_places(name)
        return self.ram.load(places[0], size) if places else None
