"""Finding the password behind a hash: published defaults of devices first, then words of the image itself.

What is tried is bounded by count, not by time, so that two audits of one image agree; the time budget of the run still
stops it, and then says so. What was found (or not) is kept in the cache under hash and candidates.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

import msgspec

from customhouse.host.context import Context
from customhouse.host.pool import Piece, Pool, Task
from customhouse.host.store import Store

from .crypt_hash import kind_of, matches

VERSION: Final = "1"
TRIED_MOST: Final = {"des": 30_000, "md5": 6_000, "sha256": 1_000, "sha512": 1_000, "bcrypt": 120, "yescrypt": 100}
"""Words tried of each kind, about a second's work on one processor each."""
_BATCH: Final = {"des": 5_000, "md5": 500, "sha256": 100, "sha512": 100, "bcrypt": 20, "yescrypt": 10}
_MISS: Final = b"\0"


@dataclass(frozen=True)
class Recovered:
    """`password` is None when no word matched; `complete` is False when time ran out first."""

    password: str | None
    complete: bool = True


def default_passwords() -> tuple[str, ...]:
    """The published defaults, in the order of the file; the empty password is among them."""
    lines = resources.files(__package__).joinpath("default_passwords.txt").read_text("utf-8").splitlines()
    return tuple("" if line == "<empty>" else line for line in lines if line and not line.startswith("# "))


def candidates(image_words: Iterable[str], users: Iterable[str] = ()) -> tuple[str, ...]:
    """Words to try, best first: names of accounts, defaults, then the image's words; each once."""
    variants = [v for user in users for v in (user, user + "123", user + "1234", user + "12345", user.capitalize())]
    return tuple(dict.fromkeys((*default_passwords(), *variants, *image_words)))


def recover(hashes: Sequence[str], words: Sequence[str], context: Context | None) -> Mapping[str, Recovered]:
    """What stands behind each hash. Without a context (tests) the work is done in this process."""
    wanted = {hashed: words[: TRIED_MOST[kind]] for hashed in hashes if (kind := kind_of(hashed)) in TRIED_MOST}
    if not wanted:
        return {}
    if context is None:
        return {hashed: Recovered(_first(hashed, tried)) for hashed, tried in wanted.items()}
    with Store.open(context.cache) as store:
        keys = {hashed: _key(hashed, tried) for hashed, tried in wanted.items()}
        known = {hashed: kept for hashed in wanted if (kept := store.get("password", keys[hashed])) is not None}
        found = {hashed: Recovered(None if kept == _MISS else kept.decode()) for hashed, kept in known.items()}
        open_hashes = {hashed: tried for hashed, tried in wanted.items() if hashed not in found}
        if open_hashes:
            context.progress.stage("trying known passwords", len(open_hashes))
            for hashed, result in _in_parallel(open_hashes, context).items():
                found[hashed] = result
                if result.complete:
                    store.put("password", keys[hashed], _MISS if result.password is None else result.password.encode())
    return found


def _key(hashed: str, tried: Sequence[str]) -> str:
    about = "\0".join((VERSION, hashed, *tried))
    return hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()


def _first(hashed: str, words: Sequence[str]) -> str | None:
    return next((word for word in words if matches(word, hashed)), None)


class _Batch(msgspec.Struct, frozen=True):
    hashed: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class _Trial:
    """Sent to the workers once; each task is a batch of words for one hash."""

    def start(self) -> Callable[[bytes], Iterator[bytes]]:
        def answer(payload: bytes) -> Iterator[bytes]:
            batch = msgspec.msgpack.decode(payload, type=_Batch)
            yield msgspec.msgpack.encode(_first(batch.hashed, batch.words))

        return answer


def _in_parallel(wanted: Mapping[str, Sequence[str]], context: Context) -> dict[str, Recovered]:
    """The earliest matching word of each hash. Batches behind a match are dropped."""
    queue = deque(_tasks(wanted))
    left = dict.fromkeys(wanted, 0)
    for task in queue:
        left[_hash_of(task)] += 1
    hits: dict[str, str] = {}
    with Pool(_Trial(), context.jobs) as pool:
        for event in pool.run(queue, context.deadline):
            hashed = _hash_of(event.task)
            if isinstance(event, Piece):
                word = msgspec.msgpack.decode(event.payload, type=str | None)
                left[hashed] -= 1
                if word is not None and hashed not in hits:
                    hits[hashed] = word
                    for task in [task for task in queue if _hash_of(task) == hashed]:
                        queue.remove(task)
    return {hashed: Recovered(hits.get(hashed), hashed in hits or left[hashed] == 0) for hashed in wanted}


def _tasks(wanted: Mapping[str, Sequence[str]]) -> Iterator[Task]:
    """Batches of all hashes in turn, so that each hash's best words come first."""
    sizes = {hashed: _BATCH[kind_of(hashed)] for hashed in wanted}
    rounds = max(-(-len(words) // sizes[hashed]) for hashed, words in wanted.items())
    for number in range(rounds):
        for hashed, words in wanted.items():
            batch = tuple(words[number * sizes[hashed] : (number + 1) * sizes[hashed]])
            if batch:
                yield Task(hashed, msgspec.msgpack.encode(_Batch(hashed, batch)))


def _hash_of(task: Task) -> str:
    return task.name
