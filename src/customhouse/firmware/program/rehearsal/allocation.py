"""Memory that a program asks for, of its own or shared with its children."""

from .calls import Answer, Call
from .descriptors import opened

_MOST = 1 << 22
_PAGE = 4096
_SHARED, _ANONYMOUS, _ANONYMOUS_OF_MIPS = 1, 0x20, 0x800


def _allocate(call: Call) -> int:
    return _new(call, call.number(0))


def _new(call: Call, size: int) -> int:
    return 0 if size > _MOST else int(call.host.allocate(size))


def _allocate_many(call: Call) -> int:
    return _new(call, call.number(0) * call.number(1))


def _allocate_again(call: Call) -> int:
    old, size = call.number(0), call.number(1)
    if call.name == "reallocarray":
        size *= call.number(2)
    new = _new(call, size)
    if old and new:
        call.ram.write(new, call.ram.read(old, min(size, call.host.sizes.get(old, 0))))
    return new


def _on_pages(call: Call, size: int) -> int:
    """Memory that begins with a page; 0 where there is none left."""
    found = _new(call, size + 2 * _PAGE)
    return (found + _PAGE - 1) & -_PAGE if found else 0


def _allocate_at(call: Call) -> int:
    """posix_memalign"""
    call.ram.store(call.number(0), _on_pages(call, call.number(2)), call.word_size)
    return 0


def _map(call: Call) -> int:
    """mmap: a file is read into memory; what is shared, children share."""
    size, flags = call.number(1), call.number(3)
    at = _on_pages(call, size)
    if not at:
        return call.ram.mask
    one = opened(call, call.int32(4))
    is_anonymous = flags & (_ANONYMOUS_OF_MIPS if call.architecture == "mips" else _ANONYMOUS)
    if one is not None and not is_anonymous:
        call.ram.write(at, bytes(one.data[:size]))
    if flags & _SHARED:
        _share(call, at, size)
    return at


def _share(call: Call, at: int, size: int) -> None:
    for page in range(at, at + size, _PAGE):
        call.ram.store(page, call.ram.load(page, 1), 1)
        call.host.shared.add(page // _PAGE)


def _shared(call: Call) -> int:
    """shmget: its number is where it lies."""
    name = f"shared {call.number(0)}"
    if name not in call.host.kept or call.number(0) == 0:
        call.host.kept[name] = _on_pages(call, call.number(1))
        _share(call, call.host.kept[name], min(call.number(1), _MOST))
    return int(call.host.kept[name])


ANSWERS: dict[str, Answer] = {
    **dict.fromkeys(("malloc", "valloc", "xmalloc"), _allocate),
    "calloc": _allocate_many,
    **dict.fromkeys(("realloc", "reallocarray"), _allocate_again),
    "posix_memalign": _allocate_at,
    **dict.fromkeys(("memalign", "aligned_alloc"), lambda call: _on_pages(call, call.number(1))),
    **dict.fromkeys(("mmap", "mmap64"), _map),
    "shmget": _shared,
    "shmat": lambda call: call.number(0),
}
