"""Our two tables in the kernel: replaced as a whole, changed by deltas, compared with what they should be.

Each document goes to `nft -j -f -` as one transaction, so at every moment either all of it holds or none. Only the
tables named `customhouse` (one inet, one bridge) are ever named.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from customhouse.gateway.ruleset.compile import Delta, Ruleset
from customhouse.gateway.ruleset.element import KINDS, MEMORIES, NUMBER, TABLE, Place
from customhouse.gateway.ruleset.pace import Pace
from customhouse.gateway.ruleset.render import Document, collected, render, render_delta
from customhouse.host.errors import CustomhouseError

from .direct import hand_over, speakable
from .generation import generation
from .programs import PACKAGES, run

PROTOCOLS = Path("/etc/protocols")
FAMILIES = ("inet", "bridge")


class RulesetRefused(CustomhouseError):
    """The kernel or nft did not take a document; nothing of it holds."""


class Kernel:
    """The adapter. It keeps a fingerprint of the chains it last wrote, and the classes of rate among them."""

    def __init__(self) -> None:
        self.written: str | None = None
        self.paces: frozenset[Pace] = frozenset()
        self.generation: int | None = None
        """The kernel's count of changes when all was last known to be right; None: it must be looked at."""

    def drop_everything(self) -> None:
        """The table for boot: nothing is forwarded until a ruleset is there. Does nothing when one of ours stands."""
        if all(run("nft", "list", "table", family, TABLE).returncode == 0 for family in FAMILIES):
            return
        text = files("customhouse.gateway.kernel").joinpath("boot.nft").read_text()
        result = run("nft", "-f", "-", given=text)
        if result.returncode:
            raise _refused(result.stderr)

    def check(self, ruleset: Ruleset) -> None:
        """Whether the kernel would take it, without giving it. Raises RulesetRefused."""
        self._hand_over(render(ruleset, time.time()), "-c")

    def replace(self, ruleset: Ruleset) -> None:
        """Both tables anew in one transaction, after a check. What stood there goes on holding until it is done."""
        document = render(ruleset, time.time())
        self._hand_over(document, "-c")
        self._hand_over(document)
        self.paces = ruleset.paces
        self.written = self._structure()
        self.generation = generation()

    def apply(self, delta: Delta) -> None:
        """Elements only, in one transaction; returns when the kernel has them.

        Raises RulesetRefused, for example when an element to be removed is gone: then replace the whole.
        """
        if delta.rebuild:
            raise RulesetRefused("the chains themselves differ", "replace the whole ruleset")
        fresh = delta.paces - self.paces  # a class once written stays: its set cannot be declared a second time
        wanted = replace(delta, paces=fresh)
        if not (wanted.add or wanted.remove or fresh or wanted.entry_paces or wanted.dropped_chains):
            return
        untouched = self.generation is not None and self.generation == generation()
        if not (speakable(wanted) and self._spoken(wanted)):
            self._hand_over(render_delta(wanted, time.time()))
        self.paces |= fresh
        # one transaction moves the count by one; by more when somebody else changed something just then
        expected = (self.generation + 1) & 0xFFFFFFFF if untouched and self.generation is not None else None
        self.generation = expected if expected == generation() else None
        if fresh or delta.entry_paces or delta.dropped_chains:
            self.written = self._structure()

    def _spoken(self, delta: Delta) -> bool:
        """Whether the kernel took it at once; when not, nothing of it holds and nft shall say why."""
        try:
            hand_over(delta, time.time())
        except OSError:
            return False
        return True

    def _hand_over(self, document: Document, *options: str) -> None:
        result = run("nft", "-j", *options, "-f", "-", given=json.dumps(document, separators=(",", ":")))
        if result.returncode:
            raise _refused(result.stderr or result.stdout)

    def _structure(self) -> str | None:
        """Chains, rules and sets of both tables without their elements, or None when a table is missing."""
        listed: list[object] = []
        for family in FAMILIES:
            result = run("nft", "-j", "-t", "list", "table", family, TABLE)
            if result.returncode:
                return None
            listed += [_plain(item) for item in json.loads(result.stdout)["nftables"] if "metainfo" not in item]
        return json.dumps(listed, sort_keys=True)

    def drift(self, ruleset: Ruleset) -> tuple[str, ...]:
        """What differs between kernel and intent, in words; empty when nothing does. Mend by `replace`.

        Costs one question while nobody else changes any rule in the kernel, and a full comparison when somebody did.
        """
        seen = generation()
        if seen is not None and seen == self.generation:
            return ()
        found = self._differences(ruleset)
        self.generation = seen if not found else None
        return found

    def _differences(self, ruleset: Ruleset) -> tuple[str, ...]:
        structure = self._structure()
        if structure is None:
            return ("a table of ours is gone",)
        found = [] if structure == self.written else ["chains or rules of ours were changed"]
        if self.written is None:
            found = ["the tables were not written by this process"]
        intended = collected(ruleset)
        for family in FAMILIES:
            held = self._counts(family)
            for name, kind in KINDS[family].items():
                due = intended.get(Place(family, name), {})
                least = sum(1 for entry in due.values() if not entry.until)
                if not least <= held.get(name, 0) <= len(due) or (not kind.timed and held.get(name, 0) != len(due)):
                    found.append(f"{family} {name} holds {held.get(name, 0)} elements, not {len(due)}")
        return tuple(found)

    def _counts(self, family: str) -> Mapping[str, int]:
        result = run("nft", "-j", "list", "table", family, TABLE)
        items = json.loads(result.stdout)["nftables"] if result.returncode == 0 else []
        return {
            body["name"]: len(body.get("elem", ()))
            for item in items
            for kind, body in item.items()
            if kind in ("set", "map")
        }

    def blocked(self) -> Iterable[tuple[str, str, tuple[object, ...]]]:
        """(table, set, key) of what was dropped in the last hour; the key begins with the device's mark or address."""
        for family in FAMILIES:
            for name in MEMORIES[family]:
                if not name.startswith("blocked"):
                    continue
                result = run("nft", "-j", "list", "set", family, TABLE, name)
                if result.returncode:
                    continue
                for item in json.loads(result.stdout)["nftables"]:
                    for element in item.get("set", {}).get("elem", ()):
                        value = element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element
                        yield family, name, tuple(value["concat"])

    def cut_flows(self, number: int, addresses: Iterable[str] = ()) -> None:
        """Forget the device's established flows, so that quarantine holds for what is already running."""
        run("conntrack", "-D", "-m", f"{number}/{NUMBER}")
        for address in addresses:
            family = "ipv6" if ":" in address else "ipv4"
            for side in ("-s", "-d"):
                run("conntrack", "-D", "-f", family, side, address)


def missing() -> tuple[str, ...]:
    """What this machine lacks to hold devices, each with what to do; empty when nothing."""
    found = [
        f"the program {program} (package {PACKAGES[program]})" for program in PACKAGES if not shutil.which(program)
    ]
    if not PROTOCOLS.exists():
        found.append(f"the file {PROTOCOLS}, by which nftables names protocols (package netbase)")
    if os.geteuid() != 0:
        found.append("root (or CAP_NET_ADMIN and CAP_BPF)")
    elif shutil.which("nft") and (asked := run("nft", "list", "tables")).returncode:
        found.append(f"nftables in the kernel: {asked.stderr.strip()[:200]}")
    return tuple(found)


def _refused(words: str) -> RulesetRefused:
    first = next((line for line in words.splitlines() if "rror" in line), words.strip()[:300] or "nft said nothing")
    return RulesetRefused(f"the kernel did not take the ruleset: {first.strip()[:300]}", "nothing of it was applied")


def _plain(item: object) -> object:
    """Without handles, which differ from load to load."""
    if isinstance(item, dict):
        return {key: _plain(value) for key, value in item.items() if key not in ("handle", "elem")}
    return [_plain(value) for value in item] if isinstance(item, list) else item
