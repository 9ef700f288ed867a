"""The map step: contents to facts, in parallel, each content and extractor computed at most once in a cache's life.

The cost of an image is the cost of the bytes never seen before. Whatever was kept is read first, for all contents in a
few queries; `contents` may be a lazy mapping, since only what the cache lacks is opened.
"""

import functools
import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from customhouse.host.context import Context
from customhouse.host.deadline import Deadline
from customhouse.host.pool import Done, Lost, Piece, Pool, Task
from customhouse.host.store import FactKey, Store
from customhouse.model import Digest, FileFacts, FileKind, Outcome

from .extractor import Content, Extractor
from .scan import PatternSet, Scanner, compiled
from .worker import BASE, BASE_VERSION, Answer, Base, FactsWork, Job, base_of

Needs = Mapping[str, bytes | Mapping[Digest, bytes]]
"""What an extractor depends on besides the bytes: the same for all contents, or by content."""

_KEEP_EVERY = 64  # files whose answers are written in one transaction: an interrupted run keeps most of its work
_LOSSES_MOST = 2  # workers that one file may cost
_OUTCOMES = tuple(Outcome)


def map_contents(
    contents: Mapping[Digest, Any],
    extractors: Sequence[Extractor],
    context: Context,
    needs: Needs | None = None,
    *,
    store: Store | None = None,
    known: Mapping[Digest, FileFacts] | None = None,
) -> dict[Digest, FileFacts]:
    """Facts of all contents, which map digests to files on disk.

    An extractor that failed on a content, or that the deadline left no time for, leaves an entry in `outcomes` and no
    value. `known` holds facts of an earlier call, which are added to.
    """
    opened = store if store is not None else Store.open(context.cache)
    if opened.rebuilt and known is None:
        context.progress.note(f"the cache could not be trusted ({opened.rebuilt}) and was set aside")
    try:
        work = _Map(contents, tuple(extractors), context, needs or {}, opened, known or {})
        work.recall()
        work.compute()
        return work.result()
    finally:
        if store is None:
            opened.close()


def facts_of_bytes(data: bytes, extractors: Sequence[Extractor], needs: Mapping[str, bytes] | None = None) -> FileFacts:
    """The same in this process, without cache and worker; an extractor's bug raises. For tests, and for one content."""
    digest = Digest(hashlib.sha256(data).hexdigest())
    base = base_of(data, len(data))
    hits, _ = _scanner(PatternSet.of(extractors)).scan(data)
    values = {
        extractor.name: extractor.extract(
            Content(digest, data, base.kind), hits.get(extractor.name, ()), (needs or {}).get(extractor.name, b"")
        )
        for extractor in extractors
        if extractor.wants(base.kind, base.size)
    }
    return FileFacts(digest=digest, size=base.size, kind=base.kind, entropy=base.entropy, **values)  # type: ignore[arg-type]


@functools.lru_cache(maxsize=4)
def _scanner(patterns: PatternSet) -> Scanner:
    """Compiled once for many small contents."""
    return Scanner(patterns, compiled(patterns, Store.open(None)))


@dataclass
class _Record:
    """What is known of one content so far."""

    base: Base | None = None
    values: dict[str, Any] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    losses: int = 0


class _Map:
    def __init__(
        self,
        contents: Mapping[Digest, Any],
        extractors: tuple[Extractor, ...],
        context: Context,
        needs: Needs,
        store: Store,
        known: Mapping[Digest, FileFacts],
    ) -> None:
        self._contents, self._extractors, self._context = contents, extractors, context
        self._needs, self._store = needs, store
        self._known = known
        self._by_name = {extractor.name: extractor for extractor in extractors}
        self._decoders = {e.name: msgspec.msgpack.Decoder(e.result) for e in extractors}
        self._records = {digest: _Record(base=_base_known(known.get(digest))) for digest in contents}
        self._rows: list[tuple[FactKey, bytes]] = []

    # -- from the cache

    def recall(self) -> None:
        pairs = {(BASE, BASE_VERSION): ""}
        pairs |= {(e.name, e.version): "*" for e in self._extractors}
        read_base = msgspec.msgpack.Decoder(Base)
        for digest, name, need, row in self._store.facts(list(self._contents), pairs):
            record = self._records[Digest(digest)]
            outcome = _OUTCOMES[row[0]] if row and row[0] < len(_OUTCOMES) else None
            if outcome is None:
                continue
            try:
                if name == BASE:
                    record.base = read_base.decode(row[1:])
                elif need == self._need_key(name, Digest(digest)):
                    self._fill(record, name, outcome, row[1:])
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # written by other code under our version: computed again

    def _fill(self, record: _Record, name: str, outcome: Outcome, value: bytes) -> None:
        record.values[name] = self._decoders[name].decode(value) if value else None
        if outcome is not Outcome.DONE:
            record.outcomes[name] = outcome

    # -- what the cache lacks

    def compute(self) -> None:
        queue = self._tasks()
        if not queue:
            return
        patterns = PatternSet.of(self._extractors)
        work = FactsWork(self._extractors, patterns, compiled(patterns, self._store))
        deadline: Deadline = self._context.deadline
        self._context.progress.stage("reading files", len(queue))
        try:
            with Pool(work, self._context.jobs) as pool:
                for event in pool.run(queue, deadline):
                    self._take(event, queue)
        finally:
            self._keep()

    def _tasks(self) -> deque[Task]:
        missing = {digest: names for digest in self._contents if (names := self._missing(digest))}
        sizes = {digest: self._contents[digest].stat().st_size for digest in missing}
        return deque(self._task(d, missing[d]) for d in sorted(missing, key=lambda d: (-sizes[d], d)))

    def _missing(self, digest: Digest) -> tuple[str, ...]:
        record = self._records[digest]
        if record.base is None:
            return tuple(e.name for e in self._extractors if e.name not in record.values) or (BASE,)
        base = record.base
        return tuple(e.name for e in self._extractors if e.name not in record.values and e.wants(base.kind, base.size))

    def _task(self, digest: Digest, names: tuple[str, ...]) -> Task:
        job = Job(
            digest=digest,
            path=str(self._contents[digest]),
            extractors=names,
            needs={name: need for name in names if (need := self._need(name, digest))},
            base=self._records[digest].base,
        )
        silence = max((self._by_name[name].seconds for name in names if name in self._by_name), default=60.0)
        return Task(digest, msgspec.msgpack.encode(job), silence)

    def _take(self, event: Piece | Done | Lost, queue: deque[Task]) -> None:
        digest = Digest(event.task.name)
        record = self._records[digest]
        if isinstance(event, Piece):
            self._take_answer(digest, record, msgspec.msgpack.decode(event.payload, type=Answer))
        elif isinstance(event, Lost):
            self._take_loss(digest, record, queue)
        else:
            self._context.progress.advance()
            if len(self._rows) >= _KEEP_EVERY * (len(self._extractors) + 1):
                self._keep()

    def _take_answer(self, digest: Digest, record: _Record, answer: Answer) -> None:
        name = answer.extractor
        if name == BASE:
            if answer.outcome is Outcome.DONE:
                record.base = msgspec.msgpack.decode(answer.value, type=Base)
        else:
            self._fill(record, name, answer.outcome, answer.value)
        if answer.lasting:
            version = BASE_VERSION if name == BASE else self._by_name[name].version
            key = (digest, name, version, "" if name == BASE else self._need_key(name, digest))
            self._rows.append((key, bytes([_OUTCOMES.index(answer.outcome)]) + answer.value))

    def _take_loss(self, digest: Digest, record: _Record, queue: deque[Task]) -> None:
        """The first extractor without an answer was at work when the worker went; the others are asked again."""
        open_names = self._missing(digest)
        if self._context.deadline.passed:
            return
        record.losses += 1
        blamed = open_names if record.base is None or record.losses >= _LOSSES_MOST else open_names[:1]
        for name in blamed:
            record.values[name] = None
            record.outcomes[name] = Outcome.FAILED
        remaining = self._missing(digest) if record.base is not None else ()
        if remaining:
            queue.appendleft(self._task(digest, remaining))
        else:
            self._context.progress.advance()

    def _keep(self) -> None:
        self._store.keep_facts(self._rows)
        self._rows = []

    # -- needs

    def _need(self, name: str, digest: Digest) -> bytes:
        need = self._needs.get(name, b"")
        return need if isinstance(need, bytes) else need.get(digest, b"")

    def _need_key(self, name: str, digest: Digest) -> str:
        need = self._need(name, digest)
        return hashlib.sha256(need).hexdigest()[:32] if need else ""

    # -- the answer

    def result(self) -> dict[Digest, FileFacts]:
        return {digest: self._facts(digest, record) for digest, record in self._records.items()}

    def _facts(self, digest: Digest, record: _Record) -> FileFacts:
        outcomes = dict(record.outcomes)
        before = self._known.get(digest)
        if record.base is None:
            never_begun = record.losses == 0 and self._context.deadline.passed
            outcomes |= {BASE: Outcome.SKIPPED if never_begun else Outcome.FAILED}
            return before or FileFacts(digest=digest, size=0, kind=FileKind.DATA, outcomes=outcomes)
        for name in self._missing(digest):
            outcomes[name] = Outcome.SKIPPED
        values = {name: value for name, value in record.values.items() if value is not None}
        if before is not None:
            return msgspec.structs.replace(before, **values, outcomes=before.outcomes | outcomes)
        base = record.base
        return FileFacts(
            digest=digest, size=base.size, kind=base.kind, entropy=base.entropy, outcomes=outcomes, **values
        )


def _base_known(facts: FileFacts | None) -> Base | None:
    if facts is None or BASE in facts.outcomes:
        return None
    return Base(kind=facts.kind, size=facts.size, entropy=facts.entropy or 0.0)


__all__ = ["Needs", "facts_of_bytes", "map_contents"]
