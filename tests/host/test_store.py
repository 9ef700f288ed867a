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
