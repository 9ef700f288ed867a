"""What a worker process does with one file: read it once, scan it once, ask each extractor.

An answer comes piece by piece, so that an extractor that kills its worker takes nothing with it but its own facts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from customhouse.model import Digest, FileKind, Model, Outcome

from .extractor import Content, Extractor
from .scan import PatternSet, Scanner

BASE: Final = "file"
"""Name under which kind, size and entropy are cached."""
BASE_VERSION: Final = "2"
READ_MOST: Final = 64 << 20
"""Bytes of one file that are looked at; what lies behind makes the outcome `partial`."""


class Base(Model, frozen=True, kw_only=True):
    """What every content has, whatever its extractors."""

    kind: FileKind
    size: int
    entropy: float


class Job(Model, frozen=True, kw_only=True):
    """One file and the extractors to ask. `base` is set when kind and size are known already."""

    digest: Digest
    path: str
    extractors: tuple[str, ...]
    needs: dict[str, bytes] = {}
    base: Base | None = None


class Answer(Model, frozen=True, kw_only=True):
    """One extractor's result, encoded; `value` is empty where the outcome left none."""

    extractor: str
    outcome: Outcome
    value: bytes = b""
    lasting: bool = True
    """The same bytes would give the same answer again, so it may be cached."""


@dataclass(frozen=True)
class FactsWork:
    """Sent to each worker once."""

    extractors: tuple[Extractor, ...]
    patterns: PatternSet
    database: bytes

    def start(self) -> Callable[[bytes], Iterator[bytes]]:
        scanner = Scanner(self.patterns, self.database)
        read_job = msgspec.msgpack.Decoder(Job)
        write = msgspec.msgpack.Encoder()

        def answer(payload: bytes) -> Iterator[bytes]:
            for piece in answers(read_job.decode(payload), self.extractors, scanner):
                yield write.encode(piece)

        return answer


def answers(job: Job, extractors: tuple[Extractor, ...], scanner: Scanner) -> Iterator[Answer]:
    """Base facts when they are not known, then one answer for each extractor that wants the file."""
    try:
        data, size = _read(Path(job.path))
    except OSError:
        yield Answer(extractor=BASE, outcome=Outcome.FAILED, lasting=False)
        return
    base = job.base
    if base is None:
        base = base_of(data, size)
        yield Answer(extractor=BASE, outcome=Outcome.DONE, value=msgspec.msgpack.encode(base))
    asked = [e for e in extractors if e.name in job.extractors and e.wants(base.kind, base.size)]
    yield from _ask(Content(job.digest, data, base.kind), asked, job.needs, scanner, cut=size > len(data))


def base_of(data: bytes, size: int) -> Base:
    from .kind import entropy_of, kind_of  # needs numpy, which the parent process would only load to be slower

    return Base(kind=kind_of(data), size=size, entropy=entropy_of(data))


def _ask(
    content: Content, extractors: list[Extractor], needs: Mapping[str, bytes], scanner: Scanner, *, cut: bool
) -> Iterator[Answer]:
    hits, overfull = scanner.scan(content.data) if any(e.patterns for e in extractors) else ({}, set[str]())
    for extractor in extractors:
        name = extractor.name
        try:
            result = extractor.extract(content, hits.get(name, ()), needs.get(name, b""))
            value = msgspec.msgpack.encode(result)
        except MemoryError:
            yield Answer(extractor=name, outcome=Outcome.FAILED, lasting=False)
        except (
            Exception
        ):  # an extractor's bug costs this one fact, is counted as not examined, and is seen by the tests
            yield Answer(extractor=name, outcome=Outcome.FAILED)
        else:
            outcome = Outcome.PARTIAL if cut or name in overfull else Outcome.DONE
            yield Answer(extractor=name, outcome=outcome, value=value)


def _read(path: Path) -> tuple[bytes, int]:
    """(first `READ_MOST` bytes, whole size)."""
    with path.open("rb", buffering=0) as file:
        size = path.stat().st_size
        parts = bytearray()
        while len(parts) < READ_MOST and (chunk := file.read(min(1 << 22, READ_MOST - len(parts)))):
            parts += chunk
        return bytes(parts), max(size, len(parts))
