"""The shared cache: what it keeps, and what it does with damage."""

import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

from customhouse.host.store import APPLICATION_ID, Store

KEY = ("d" * 64, "elf", "1", "")


def _all(store: Store, *digests: str) -> list[tuple[str, str, str, bytes]]:
    return list(store.facts(digests or (KEY[0],), {("elf", "1"): ""}))


def test_a_value_comes_back_from_a_second_opening(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.put("unpack", "key", b"value")
        store.keep_facts([(KEY, b"facts")])
    with Store.open(tmp_path) as store:
        assert store.get("unpack", "key") == b"value"
        assert _all(store) == [(KEY[0], "elf", "", b"facts")]


def test_without_a_folder_it_remembers_for_one_run() -> None:
    with Store.open(None) as store:
        store.put("kind", "key", b"value")
        assert store.get("kind", "key") == b"value"
    with Store.open(None) as store:
        assert store.get("kind", "key") is None


def test_facts_of_another_version_or_need_are_passed_over(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.keep_facts([(KEY, b"one"), ((KEY[0], "elf", "2", ""), b"two"), ((KEY[0], "elf", "1", "need"), b"three")])
        assert [value for *_, value in _all(store)] == [b"one"]
        assert [value for *_, value in store.facts([KEY[0]], {("elf", "1"): "*"})] == [b"one", b"three"]


def test_many_digests_are_read_in_batches(tmp_path: Path) -> None:
    digests = [f"{number:064x}" for number in range(1500)]
    with Store.open(tmp_path) as store:
        store.keep_facts(((digest, "elf", "1", ""), digest.encode()) for digest in digests)
        assert len(_all(store, *digests)) == 1500


def test_a_database_of_another_program_is_set_aside_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with sqlite3.connect(path) as foreign:
        foreign.execute("create table mine(precious text)")
    foreign.close()
    with Store.open(tmp_path) as store:
        assert store.rebuilt == "a database of another program"
        store.put("kind", "key", b"value")
        assert store.get("kind", "key") == b"value"
    kept = sqlite3.connect(path.with_suffix(".aside"))
    assert kept.execute("select name from sqlite_master").fetchall() == [("mine",)]
    kept.close()


def test_a_file_that_is_no_database_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").write_bytes(b"not a database at all" * 100)
    with Store.open(tmp_path) as store:
        assert store.rebuilt
        store.put("kind", "key", b"value")
        assert store.get("kind", "key") == b"value"


def test_damage_inside_is_noticed_and_the_cache_made_anew(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.keep_facts([((f"{n:064x}", "elf", "1", ""), bytes(500)) for n in range(400)])
    path = tmp_path / "cache.sqlite"
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xa5" * (len(data) - 8192)
    path.write_bytes(data)
    with Store.open(tmp_path) as store:
        assert _all(store, *(f"{n:064x}" for n in range(400))) == []
        store.put("kind", "key", b"value")
        assert store.get("kind", "key") == b"value"


def test_a_flipped_bit_in_a_value_makes_it_missing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.put("kind", "key", b"value")
    connection = sqlite3.connect(tmp_path / "cache.sqlite")
    sealed = zlib.crc32(b"value").to_bytes(4, "big") + b"valux"
    connection.execute("update items set value = ?", (sealed,))
    connection.commit()
    connection.close()
    with Store.open(tmp_path) as store:
        assert store.get("kind", "key") is None


def test_the_file_says_whose_it_is(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "cache.sqlite")
    assert connection.execute("pragma application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_folder_that_cannot_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with Store.open(tmp_path / "file") as store:
        store.put("kind", "key", b"value")
        assert store.get("kind", "key") is None
        assert store.rebuilt


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from customhouse.host.store import Store
with Store.open(Path(sys.argv[1])) as store:
    for number in range(200):
        store.put(sys.argv[2], str(number), sys.argv[2].encode())
"""
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in ("one", "two")]
    assert [process.wait(60) for process in running] == [0, 0]
    with Store.open(tmp_path) as store:
        assert not store.rebuilt
        for name in ("one", "two"):
            assert all(store.get(name, str(number)) == name.encode() for number in range(200))


DAY = 20_000


def _held(store: Store, *versions: str) -> list[str]:
    """Which of the versions of one extractor the store still has for `KEY`'s content."""
    return [version for version in versions if list(store.facts([KEY[0]], {("elf", version): ""}))]


def test_rows_of_an_old_version_go_after_a_week_without_use(tmp_path: Path) -> None:
    with Store.open(tmp_path, day=DAY) as store:
        store.keep_facts([((KEY[0], "elf", version, ""), b"x") for version in ("1", "2")])
    with Store.open(tmp_path, day=DAY + 7) as store:
        store.prune({"elf": "2"})
    with Store.open(tmp_path, day=DAY + 8) as store:
        store.prune({"elf": "2"})
        assert _held(store, "1", "2") == ["2"]


def test_rows_of_an_old_version_stay_while_another_release_uses_them(tmp_path: Path) -> None:
    with Store.open(tmp_path, day=DAY) as store:
        store.keep_facts([((KEY[0], "elf", version, ""), b"x") for version in ("1", "2")])
    with Store.open(tmp_path, day=DAY + 6) as other:
        assert _held(other, "1") == ["1"]
    with Store.open(tmp_path, day=DAY + 8) as store:
        store.prune({"elf": "2"})
        assert _held(store, "1", "2") == ["1", "2"]


def test_what_was_not_used_for_three_months_goes_whatever_its_version(tmp_path: Path) -> None:
    with Store.open(tmp_path, day=DAY) as store:
        store.keep_facts([(KEY, b"x")])
        store.put("unpacked", "old", b"x")
        store.put("unpacked", "used", b"x")
    with Store.open(tmp_path, day=DAY + 60) as store:
        assert store.get("unpacked", "used") == b"x"
    with Store.open(tmp_path, day=DAY + 91) as store:
        store.prune({"elf": "1"})
        assert _all(store) == []
        assert (store.get("unpacked", "old"), store.get("unpacked", "used")) == (None, b"x")


def test_pruning_is_done_once_a_day_and_without_versions_too(tmp_path: Path) -> None:
    with Store.open(tmp_path, day=DAY) as store:
        store.keep_facts([(KEY, b"x")])
    with Store.open(tmp_path, day=DAY + 8) as store:
        store.prune({"elf": "1"})
        store.prune({})
        assert _held(store, "1") == ["1"]
    with Store.open(tmp_path, day=DAY + 16) as store:
        store.prune({})
        assert _held(store, "1") == []


def test_an_audit_reads_and_writes_while_another_prunes(tmp_path: Path) -> None:
    digests = [f"{number:064x}" for number in range(3000)]
    with Store.open(tmp_path, day=DAY) as store:
        store.keep_facts(((digest, "elf", "1", ""), bytes(100)) for digest in digests)
    with Store.open(tmp_path, day=DAY + 8) as pruning, Store.open(tmp_path, day=DAY + 8) as reading:
        rows = reading.facts(digests, {("elf", "1"): ""})
        next(rows)
        pruning.prune({"elf": "2"})
        reading.keep_facts([((digests[0], "elf", "2", ""), b"new")])
        rest = [digest for digest, *_ in rows]
        assert set(rest) <= set(digests)
        assert [value for *_, value in reading.facts(digests, {("elf", "2"): ""})] == [b"new"]
        assert not reading.rebuilt and not pruning.rebuilt


def test_a_database_of_the_first_layout_grows_and_keeps_what_it_has(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "cache.sqlite")
    old.executescript(
        "create table facts(digest text not null, extractor text not null, version text not null, need text not null,"
        " value blob not null, primary key(digest, extractor, version, need)) without rowid;"
        "create table items(kind text not null, key text not null, value blob not null,"
        " primary key(kind, key)) without rowid;"
        f"pragma application_id = {APPLICATION_ID}; pragma user_version = 1;"
    )
    old.execute("insert into facts values(?, ?, ?, ?, ?)", (*KEY, zlib.crc32(b"x").to_bytes(4, "big") + b"x"))
    old.commit()
    old.close()
    for _ in range(2):
        with Store.open(tmp_path, day=DAY) as store:
            assert not store.rebuilt
            assert [value for *_, value in _all(store)] == [b"x"]
    with Store.open(tmp_path, day=DAY + 80) as store:
        store.prune({"elf": "1"})
        assert len(_all(store)) == 1
