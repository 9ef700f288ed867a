"""Hostile JSON, read within limits: size, depth and doubled members are checked before anything is believed."""

import json

from customhouse.host.errors import InputError

LARGEST = 1 << 20
"""Bytes. The largest profiles in the wild are under 100 KB."""
DEEPEST = 40


def _no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise InputError(
                f"the member {name[:80]!r} stands twice in one object", "readers would differ on which one holds"
            )
        members[name] = value
    return members


def _whole(text: str) -> int:
    if len(text) > 20:
        raise InputError("a number in the file has more than 20 digits")
    return int(text)


def _not_a_number(text: str) -> float:
    raise InputError(f"{text} is not JSON")


def _depth(data: bytes) -> int:
    """Deepest nesting of brackets outside strings, counted without recursion."""
    deepest = depth = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def load_object(data: bytes) -> dict[str, object]:
    """The JSON object in `data`. Raises InputError with one clear line for everything else."""
    if len(data) > LARGEST:
        raise InputError(f"the file has {len(data)} bytes; a profile has at most {LARGEST}")
    if _depth(data) > DEEPEST:
        raise InputError(f"the file is nested deeper than {DEEPEST} levels")
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_no_doubles,
            parse_int=_whole,
            parse_constant=_not_a_number,
        )
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8: byte {error.start}") from error
    except ValueError as error:
        raise InputError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError("the file holds no JSON object")
    return value
