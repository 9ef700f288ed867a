"""Suppliers' VEX statements as inputs with a source: they settle what is open, and never overrule what was seen.

An open question takes the supplier's answer. A contradiction between the supplier and what the device itself shows
becomes an open question with both quoted, unless the device shows the flaw to be reachable: then it stays so.
"""

from collections.abc import Sequence

import msgspec

from customhouse.exchange.vex import read_vex
from customhouse.knowledge.names import names
from customhouse.model import Fact, Reachability, VexStatement, Vulnerability


def apply_statements(rows: Sequence[Vulnerability], documents: Sequence[tuple[str, bytes]]) -> list[Vulnerability]:
    """`rows` with what suppliers say of them. Raises InputError for a document that is none."""
    statements = [item for name, content in documents for item in read_vex(name, content)]
    by_name: dict[str, list[VexStatement]] = {}
    for statement in statements:
        for name in (statement.vulnerability, *statement.aliases):
            by_name.setdefault(name, []).append(statement)
    return [_settled(row, by_name) for row in rows]


def _settled(row: Vulnerability, by_name: dict[str, list[VexStatement]]) -> Vulnerability:
    for name in (row.id, *row.aliases):
        for statement in by_name.get(name, ()):
            if concerns(statement, row):
                return msgspec.structs.replace(row, reachability=joined(row.reachability, statement))
    return row


def concerns(statement: VexStatement, row: Vulnerability) -> bool:
    """Is it said of this component and version? A statement that names no component of ours is of the whole product."""
    mine = [(name, version) for name, version in statement.components if names().component(name) == row.component]
    if mine:
        return any(not version or version == row.version for _, version in mine)
    return not any(names().known(name) for name, _ in statement.components)


def joined(ours: Reachability, said: VexStatement) -> Reachability:
    """Our statement and the supplier's as one."""
    words = said.justification.replace("_", " ") or said.detail[:200]
    quoted = Fact(
        fact=f"the supplier states {said.status.replace('_', ' ')}" + (f": {words}" if words else ""),
        source=said.source,
    )
    if said.status == ours.status:
        return msgspec.structs.replace(ours, facts=(*ours.facts, quoted))
    if ours.status == "under_investigation":
        return msgspec.structs.replace(
            ours,
            status=said.status,
            justification=said.justification if said.status == "not_affected" else "",
            positions=() if said.status in ("not_affected", "fixed") else ours.positions,
            facts=(*ours.facts, quoted),
            reopens_if=("the supplier's statement turns out to be wrong",),
            missing=(),
            perimeter=said.perimeter,
            explanation=f"By the supplier's statement ({said.source}).",
        )
    if ours.status == "not_affected" and said.status == "affected":
        return msgspec.structs.replace(
            ours,
            status="under_investigation",
            justification="",
            facts=(*ours.facts, quoted),
            missing=("supplier-disagrees",),
            explanation="The supplier calls it affected, and what was declared or read says that it is not.",
        )
    if ours.status == "affected" and said.status == "fixed":
        return msgspec.structs.replace(
            ours,
            status="fixed",
            positions=(),
            facts=(*ours.facts, quoted),
            reopens_if=("the supplier's statement turns out to be wrong",),
            explanation=f"The supplier states that this build holds the fix ({said.source}).",
        )
    return msgspec.structs.replace(ours, facts=(*ours.facts, quoted))
