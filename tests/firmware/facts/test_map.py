"""The map step: parallel, cached, and robust against files that kill what reads them."""

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.firmware.facts.probes import Counting, Flooded, Fragile, Refused, Versioned

from customhouse.firmware.extractors import EXTRACTORS
from customhouse.firmware.facts import HITS_MOST, facts_of_bytes, map_contents
from customhouse.firmware.facts.scan import PatternSet, RefusedPattern, compiled
from customhouse.host.context import Context
from customhouse.host.deadline import Deadline
from customhouse.host.store import Store
from customhouse.model import Digest, FileFacts, FileKind, Outcome


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(work=tmp_path / "work", cache=tmp_path / "cache", jobs=2)


def _contents(folder: Path, *contents: bytes) -> dict[Digest, Path]:
    folder.mkdir(exist_ok=True)
    made = {}
    for data in contents:
        digest = Digest(hashlib.sha256(data).hexdigest())
        made[digest] = folder / digest
        made[digest].write_bytes(data)
    return made


def _by_text(facts: Mapping[Digest, FileFacts], contents: Mapping[Digest, Path], text: bytes) -> FileFacts:
    return next(facts[digest] for digest, path in contents.items() if text in path.read_bytes())


def test_each_content_gets_its_kind_size_and_extractors_facts(tmp_path: Path, context: Context) -> None:
    contents = _contents(tmp_path / "in", b"#!/bin/sh\necho marker-1 marker-2\n", b"\x00\x01\x02binary" * 9, b"")
    facts = map_contents(contents, (Counting(),), context)
    script = _by_text(facts, contents, b"marker")
    assert (script.kind, script.size) == (FileKind.SCRIPT, 33)
    assert script.components is not None
    assert script.components.hints[0].rule == "2 "
    empty = facts[Digest(hashlib.sha256(b"").hexdigest())]
    assert (empty.kind, empty.components, empty.outcomes) == (FileKind.EMPTY, None, {})


def test_a_second_run_opens_no_content(tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("PROBE_LOG", str(log))
    contents = _contents(tmp_path / "in", *(f"content {n}".encode() for n in range(20)))
    first = map_contents(contents, (Counting(),), context)
    assert len(log.read_text().split()) == 20
    second = map_contents(_Closed(contents), (Counting(),), context)
    assert second == first
    assert len(log.read_text().split()) == 20


class _Closed(Mapping[Digest, Path]):
    """Knows its keys, and fails whoever asks for a content."""

    def __init__(self, contents: Mapping[Digest, Path]) -> None:
        self._contents = contents

    def __getitem__(self, digest: Digest) -> Path:
        raise AssertionError("a cached content was opened")

    def __iter__(self) -> Iterator[Digest]:
        return iter(self._contents)

    def __len__(self) -> int:
        return len(self._contents)


def test_a_new_version_of_one_extractor_leaves_the_others_in_the_cache(
    tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    contents = _contents(tmp_path / "in", b"one", b"two")
    map_contents(contents, (Counting(), Fragile()), context)
    monkeypatch.setenv("PROBE_LOG", str(log))
    map_contents(contents, (Versioned(), Fragile()), context)
    assert len(log.read_text().split()) == 2
    log.unlink()
    map_contents(_Closed(contents), (Versioned(), Fragile()), context)
    assert not log.exists()


def test_what_an_extractor_depends_on_is_part_of_the_key(tmp_path: Path, context: Context) -> None:
    contents = _contents(tmp_path / "in", b"one", b"two")
    first, second = contents
    plain = map_contents(contents, (Counting(),), context, {"components": b"summary"})
    assert all(f.components is not None and f.components.hints[0].rule == "0 summary" for f in plain.values())
    by_content = map_contents(contents, (Counting(),), context, {"components": {first: b"other"}})
    told = {digest: facts.components.hints[0].rule for digest, facts in by_content.items() if facts.components}
    assert told == {first: "0 other", second: "0 "}


def test_a_file_that_kills_its_worker_costs_only_that_extractor_of_that_file(tmp_path: Path, context: Context) -> None:
    contents = _contents(
        tmp_path / "in", b"good marker-1", b"please-die now", b"please-hang now", b"please-raise now", b"other"
    )
    facts = map_contents(contents, (Fragile(), Counting()), context)
    for bad in (b"please-die", b"please-hang", b"please-raise"):
        hit = _by_text(facts, contents, bad)
        assert hit.text is None
        assert hit.outcomes == {"text": Outcome.FAILED}
        assert hit.components is not None
    for good in (b"good", b"other"):
        fine = _by_text(facts, contents, good)
        assert fine.text is not None
        assert fine.outcomes == {}


def test_what_the_deadline_leaves_undone_is_skipped_and_done_next_time(tmp_path: Path, context: Context) -> None:
    contents = _contents(tmp_path / "in", b"one", b"two")
    late = Context(work=context.work, cache=context.cache, jobs=1, deadline=Deadline(time.monotonic() - 1))
    facts = map_contents(contents, (Counting(),), late)
    assert all(f.outcomes["file"] is Outcome.SKIPPED and f.components is None for f in facts.values())
    assert all(not f.outcomes for f in map_contents(contents, (Counting(),), context).values())


def test_a_file_that_cannot_be_read_is_failed(tmp_path: Path, context: Context) -> None:
    contents = _contents(tmp_path / "in", b"one")
    [digest] = contents
    contents[digest].chmod(0o000)
    broken = {digest: tmp_path / "in"}  # a folder where a file should be
    assert map_contents(broken, (Counting(),), context)[digest].outcomes["file"] is Outcome.FAILED


def test_too_many_hits_are_cut_and_said_to_be(tmp_path: Path, context: Context) -> None:
    contents = _contents(tmp_path / "in", b"x" * (HITS_MOST + 10))
    [facts] = map_contents(contents, (Flooded(),), context).values()
    assert facts.content is not None
    assert facts.content.words == (str(HITS_MOST),)
    assert facts.outcomes == {"content": Outcome.PARTIAL}


def test_facts_of_an_earlier_call_are_added_to(tmp_path: Path, context: Context) -> None:
    contents = _contents(tmp_path / "in", b"one")
    first = map_contents(contents, (Fragile(),), context)
    [both] = map_contents(contents, (Counting(),), context, known=first).values()
    assert both.text is not None
    assert both.components is not None


def test_values_of_other_code_under_our_version_are_computed_again(tmp_path: Path, context: Context) -> None:
    contents = _contents(tmp_path / "in", b"one")
    [good] = map_contents(contents, (Counting(),), context).values()
    with Store.open(context.cache) as store:
        store.keep_facts([((good.digest, "components", "1", ""), b"\x00\x93garbage")])
    assert list(map_contents(contents, (Counting(),), context).values()) == [good]


def test_a_damaged_cache_changes_no_result(tmp_path: Path, context: Context) -> None:
    contents = _contents(tmp_path / "in", *(f"content {n}".encode() * 50 for n in range(50)))
    first = map_contents(contents, (Counting(),), context)
    assert context.cache is not None
    path = context.cache / "cache.sqlite"
    data = bytearray(path.read_bytes())
    data[4096 : 4096 * 3] = b"\xff" * 8192
    path.write_bytes(data)
    assert map_contents(contents, (Counting(),), context) == first


def test_an_expression_that_hyperscan_refuses_is_an_error_that_names_it() -> None:
    with Store.open(None) as store, pytest.raises(RefusedPattern, match="look-behind"):
        compiled(PatternSet.of((Counting(), Refused())), store)


def test_every_expression_of_the_shipped_extractors_is_taken() -> None:
    with Store.open(None) as store:
        assert compiled(PatternSet.of(EXTRACTORS), store)


def test_compiled_patterns_are_kept_and_damage_to_them_noticed(tmp_path: Path) -> None:
    patterns = PatternSet.of((Counting(),))
    with Store.open(tmp_path) as store:
        made = compiled(patterns, store)
        assert store.get("patterns", patterns.key) == made
        store.put("patterns", patterns.key, made[:200] + b"xxxxxxxxx" + made[209:])
        assert compiled(patterns, store) == made
        store.put("patterns", patterns.key, b"something else")
        assert compiled(patterns, store) == made
    connection = sqlite3.connect(tmp_path / "cache.sqlite")
    assert connection.execute("select count(*) from items").fetchone() == (1,)
    connection.close()


def test_one_content_in_this_process_gives_the_same(tmp_path: Path, context: Context) -> None:
    data = b"#!/bin/sh\nwget http://fw.maker.com/x -O /tmp/x\n"
    contents = _contents(tmp_path / "in", data)
    extractors = tuple(extractor for extractor in EXTRACTORS if extractor.name in ("elf", "text", "content"))
    [mapped] = map_contents(contents, extractors, context).values()
    assert facts_of_bytes(data, extractors) == mapped
