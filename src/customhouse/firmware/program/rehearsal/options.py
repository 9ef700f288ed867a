"""getopt: the words of a command line taken apart."""

from .calls import Answer, Call

_UNKNOWN = ord("?")


def _word(call: Call, index: int) -> bytes:
    return call.text_at(call.ram.word(call.number(1) + call.word_size * index))


def _option(call: Call) -> int:
    """The next option, -1 behind the last one. Words that are none end them, as POSIX has it."""
    host, count = call.host, call.int32(0)
    at, inside = host.variable("optind", 4), host.kept.get("option", 1)
    at = host.kept.get("options", 1) if at is None else at
    if at == 0:
        at, inside = 1, 1
    if at >= count:
        return _end(call, at)
    word = _word(call, at)
    if word == b"--":
        return _end(call, at + 1)
    if not word.startswith(b"-") or word == b"-":
        return _end(call, at)
    if word.startswith(b"--") and call.name != "getopt":
        return _long(call, at, word[2:])
    return _short(call, at, inside, word)


def _stand(call: Call, at: int, inside: int = 1) -> None:
    """Keep where the next option is looked for."""
    call.host.kept["option"], call.host.kept["options"] = inside, at
    call.host.set_variable("optind", at, 4)


def _end(call: Call, at: int) -> int:
    _stand(call, at)
    return call.ram.mask


def _short(call: Call, at: int, inside: int, word: bytes) -> int:
    letter = word[inside : inside + 1] or b"?"
    known = call.text(2).lstrip(b"+-:")
    place = known.find(letter)
    takes = place >= 0 and known[place + 1 : place + 2] == b":"
    address = call.ram.word(call.number(1) + call.word_size * at)
    call.host.set_variable("optopt", letter[0], 4)
    if not takes:
        _stand(call, *((at, inside + 1) if inside + 1 < len(word) else (at + 1, 1)))
        return letter[0] if place >= 0 and letter != b":" else _UNKNOWN
    if inside + 1 < len(word):
        return _valued(call, at + 1, address + inside + 1, letter[0])
    if known[place + 2 : place + 3] == b":":
        return _valued(call, at + 1, 0, letter[0])
    if at + 1 >= call.int32(0):
        _stand(call, at + 1)
        return _UNKNOWN
    return _valued(call, at + 2, call.ram.word(call.number(1) + call.word_size * (at + 1)), letter[0])


def _valued(call: Call, at: int, value: int, result: int) -> int:
    _stand(call, at)
    call.host.set_variable("optarg", value)
    return result


def _long(call: Call, at: int, word: bytes) -> int:
    """getopt_long: name, whether it takes a value, where its number is to be put, and the number."""
    ram, size = call.ram, call.word_size
    name, mark, _ = word.partition(b"=")
    entry = call.number(3)
    while ram.word(entry):
        if call.text_at(ram.word(entry)) == name:
            break
        entry += 4 * size
    else:
        _stand(call, at + 1)
        return _UNKNOWN
    takes, flag, result = ram.load(entry + size, 4), ram.word(entry + 2 * size), ram.load(entry + 3 * size, 4)
    value = ram.word(call.number(1) + size * at) + 2 + len(name) + 1 if mark else 0
    if takes == 1 and not mark and at + 1 < call.int32(0):
        at += 1
        value = ram.word(call.number(1) + size * at)
    if flag:
        ram.store(flag, result, 4)
    return _valued(call, at + 1, value, 0 if flag else result)


ANSWERS: dict[str, Answer] = dict.fromkeys(("getopt", "getopt_long", "getopt_long_only"), _option)
