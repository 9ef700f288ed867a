"""A call of a function without a machine that makes it: its arguments are given as they are."""

from collections.abc import Callable

from customhouse.firmware.program.elf import Image
from customhouse.firmware.program.ram import Ram
from customhouse.firmware.program.rehearsal.calls import Answer, Arguments, Call, text

HERE, SIZE = 0x10000, 0x30000
ERRNO = HERE - 16


class Host:
    """What a call may ask for, and what it tells."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}
        self.told: list[tuple[str, bytes, bytes]] = []
        self.wide: int | None = None
        self.double: float | None = None
        self.functions: dict[int, Callable[..., int]] = {}
        self.unlimited: set[int] = set()
        self.printed: list[tuple[int, bytes]] = []
        self.ram = Ram(Image("x86_64", False, 8, 0))
        self.free = 0

    def allocate(self, size: int) -> int:
        self.free -= size + 16
        return self.free

    def constant(self, data: bytes) -> int:
        place = self.allocate(len(data) + 1)
        self.ram.write(place, data + b"\0")
        return place

    def errno(self) -> int:
        return ERRNO

    def compared(self, kind: str, left: bytes, right: bytes) -> None:
        self.told.append((kind, left, right))

    def invoke(self, function: int, *arguments: int) -> int:
        return self.functions[function](*arguments)

    def give_wide(self, value: int) -> None:
        self.wide = value

    def give_double(self, value: float) -> None:
        self.double = value


class Given(Arguments):
    """Arguments from a list."""

    def __init__(self, values: list[int | float]) -> None:
        self.values = values

    def _next(self) -> int | float:
        return self.values.pop(0)

    def word(self) -> int:
        return int(self._next())

    wide = word

    def double(self) -> float:
        return float(self._next())


class Made(Call):
    """A call with given arguments."""

    def __init__(self, host: Host, name: str, arguments: list[int | float]) -> None:
        self.host, self.ram, self.name, self.arguments = host, host.ram, name, arguments
        self.word_size, self.architecture = host.ram.image.word, host.ram.image.architecture

    def number(self, index: int) -> int:
        return int(self.arguments[index]) & self.ram.mask

    def rest(self, index: int) -> Arguments:
        return Given(self.arguments[index:])


class Desk:
    """Memory and a table of answers: texts among the arguments of a call are put into memory for it."""

    def __init__(self, answers: dict[str, Answer], image: Image | None = None) -> None:
        self.answers = answers
        self.host = Host()
        self.ram = self.host.ram = Ram(image or Image("x86_64", False, 8, 0))
        self.ram.reserve(HERE - 0x1000, SIZE + 0x1000)
        self.host.free = HERE + SIZE
        self.at = HERE

    def put(self, data: bytes) -> int:
        """Where bytes lie, with a NUL behind them."""
        place, self.at = self.at, self.at + len(data) + 1
        self.ram.write(place, data + b"\0")
        return place

    def call(self, name: str, *arguments: int | float | bytes) -> int | None:
        places = [self.put(one) if isinstance(one, bytes) else one for one in arguments]
        return self.answers[name](Made(self.host, name, places))

    def signed(self, name: str, *arguments: int | float | bytes) -> int:
        """The result as an `int`."""
        result = self.call(name, *arguments)
        assert result is not None
        return ((result & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000

    def text(self, place: int | None) -> bytes:
        return text(self.ram, place or 0)
