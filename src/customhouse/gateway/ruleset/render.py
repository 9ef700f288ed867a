"""Rulesets and deltas as documents for `nft -j -f -`: one document is one transaction."""

import math
from collections.abc import Iterable, Iterator, Mapping

from .bridge_chains import bridge_chains
from .chains import HOOKS, MARK, Chains, inet_chains
from .compile import Delta, Held, Ruleset
from .device import limit_chain
from .element import KINDS, MEMORIES, TABLE, Entry, Kind, Part
from .pace import Pace
from .words import DROP, Json, Rule, ct, over, payload, put

Document = dict[str, list[Json]]
SHORTEST = 1
"""Seconds. An element past its time is not written; one about to end lives at least this long."""


def render(ruleset: Ruleset, now: float) -> Document:
    """The whole of both tables, in place of whatever stood there. `now`: seconds since the epoch."""
    commands: list[Json] = []
    for table in ("inet", "bridge"):
        whole = {"family": table, "name": TABLE}
        commands += [{"add": {"table": whole}}, {"delete": {"table": whole}}, {"add": {"table": whole}}]
        chains = inet_chains(ruleset.fixed) if table == "inet" else bridge_chains()
        commands += _chains(table, chains, ruleset.paces)
        commands += _sets(table, ruleset.paces)
        commands += _rules(table, chains, ruleset.paces)
    for rules in ruleset.devices.values():
        commands += _entry_chains(rules.entry_paces)
    commands += _elements("add", collected(ruleset), now)
    return {"nftables": commands}


def collected(ruleset: Ruleset) -> Held:
    """All elements of a ruleset, by place."""
    held: Held = {place: dict(found) for place, found in ruleset.frame.items()}
    for rules in ruleset.devices.values():
        for place, found in rules.elements.items():
            held.setdefault(place, {}).update(found)
    return held


def render_delta(delta: Delta, now: float) -> Document:
    """One transaction: removals first, so that an element whose time or verdict changed is written anew."""
    commands: list[Json] = []
    for table in ("inet", "bridge"):
        for pace in sorted(delta.paces):
            flush: Json = {"flush": {"chain": {"family": table, "table": TABLE, "name": pace.chain}}}
            commands += [_chain(table, pace.chain), flush, _bucket(table, pace), *_pace_rules(table, pace)]
    commands += _elements("add", _timed(delta.remove), now, refresh=True)
    commands += _elements("delete", delta.remove, now)
    commands += _entry_chains(delta.entry_paces, flush=True)
    commands += _elements("add", delta.add, now)
    for chain in delta.dropped_chains:
        for name in (chain, limit_chain(chain)):
            commands += [
                {verb: {"chain": {"family": "inet", "table": TABLE, "name": name}}} for verb in ("flush", "delete")
            ]
    return {"nftables": commands}


def _timed(held: Held) -> Held:
    """Elements that may have ended by themselves: added once more, their removal cannot fail and spoil the rest."""
    timed = {place: {key: entry for key, entry in found.items() if entry.until} for place, found in held.items()}
    return {place: found for place, found in timed.items() if found}


def _chain(table: str, name: str) -> Json:
    chain: Json = {"family": table, "table": TABLE, "name": name}
    hook = HOOKS[table].get(name)
    if hook:
        kind, point, priority, policy = hook
        chain |= {"type": kind, "hook": point, "prio": priority, "policy": policy}
    return {"add": {"chain": chain}}


def _chains(table: str, chains: Chains, paces: Iterable[Pace]) -> Iterator[Json]:
    """Every chain, empty, before anything jumps to one."""
    for name in (*chains, *(pace.chain for pace in sorted(paces))):
        yield _chain(table, name)


def _sets(table: str, paces: Iterable[Pace]) -> Iterator[Json]:
    for name, kind in KINDS[table].items():
        body: Json = {"family": table, "table": TABLE, "name": name, "type": _type(kind.key)}
        flags = [flag for flag, on in (("interval", kind.interval), ("timeout", kind.timed)) if on]
        if flags:
            body["flags"] = flags
        if kind.value:
            body["map"] = kind.value
        yield {"add": {"map" if kind.value else "set": body}}
    for name, memory in MEMORIES[table].items():
        yield {
            "add": {
                "set": {
                    "family": table, "table": TABLE, "name": name, "type": _type(memory.key),
                    "flags": ["timeout"], "timeout": memory.timeout, "size": memory.size,
                }
            }
        }  # fmt: skip
    for pace in sorted(paces):
        yield _bucket(table, pace)


def _bucket(table: str, pace: Pace) -> Json:
    owner = "mark" if table == "inet" else "ether_addr"
    body: Json = {"family": table, "table": TABLE, "name": f"bucket_{pace.chain}", "type": owner}
    return {"add": {"set": body | {"flags": ["timeout"], "timeout": 300, "size": 65536}}}


def _type(key: tuple[str, ...]) -> object:
    return key[0] if len(key) == 1 else list(key)


def _rule(table: str, chain: str, statements: Rule) -> Json:
    return {"add": {"rule": {"family": table, "table": TABLE, "chain": chain, "expr": list(statements)}}}


def _rules(table: str, chains: Chains, paces: Iterable[Pace]) -> Iterator[Json]:
    for name, rules in chains.items():
        for statements in rules:
            yield _rule(table, name, statements)
    for pace in sorted(paces):
        yield from _pace_rules(table, pace)


def _pace_rules(table: str, pace: Pace) -> Iterator[Json]:
    """One rule: an element per device holds its own bucket, so v4 and v6 drink from one."""
    owner = MARK if table == "inet" else payload("ether", "saddr")
    update: Json = {
        "set": {"op": "update", "elem": owner, "set": f"@bucket_{pace.chain}", "stmt": [over(pace.speed, pace.burst)]}
    }
    yield _rule(table, pace.chain, [update, DROP])


def _entry_chains(chains: Mapping[str, tuple[int, Pace]], *, flush: bool = False) -> Iterator[Json]:
    """Two chains an entry: one marks its new flows, the other holds the pace of every packet with that mark."""
    for name in (each for chain in chains for each in (chain, limit_chain(chain))):
        yield _chain("inet", name)
        if flush:
            yield {"flush": {"chain": {"family": "inet", "table": TABLE, "name": name}}}
    for chain, (mark, pace) in chains.items():
        yield _rule("inet", chain, [put(ct("mark"), mark)])
        yield _rule("inet", limit_chain(chain), [over(pace.speed, pace.burst), DROP])


def _elements(verb: str, held: Held, now: float, *, refresh: bool = False) -> Iterator[Json]:
    """`refresh`: write even what has ended, for a moment."""
    for place in sorted(held):
        kind = KINDS[place.table][place.name]
        elements = [_element(kind, key, entry, verb, 0 if refresh else now) for key, entry in held[place].items()]
        elements = [element for element in elements if element is not None]
        if elements:
            body = {"family": place.table, "table": TABLE, "name": place.name, "elem": elements}
            yield {verb: {"element": body}}


def _element(kind: Kind, key: tuple[Part, ...], entry: Entry, verb: str, now: float) -> object | None:
    parts = [_part(part) for part in key]
    value: object = {"concat": parts} if len(parts) > 1 else parts[0]
    if verb == "add" and entry.until:
        seconds = math.ceil(entry.until - now)
        if seconds < SHORTEST:
            return None
        value = {"elem": {"val": value, "timeout": seconds}}
    return [value, _verdict(entry.value)] if kind.value else value


def _verdict(value: str | int) -> object:
    if isinstance(value, int):
        return value
    verb, _, chain = value.partition(":")
    return {verb: {"target": chain}} if chain else {verb: None}


def _part(part: Part) -> object:
    return {"range": list(part)} if isinstance(part, tuple) else part
