"""What the image's own libraries do for their callers: run commands, hand out request data."""

from collections.abc import Iterable
from typing import Any

from customhouse.model import ExportRole

from . import quoting
from .elf import Image
from .report import Reporter
from .state import Content, Fact
from .tables import table
from .terms import PARAM, RESULT
from .whole import Whole

_COUNTED = frozenset(
    name
    for name, model in table("libc.toml")["models"].items()
    if str(model[0]) in ("receive", "receive_vector", "receive_list", "receive_line")
) - {"fgets", "__fgets_chk", "fgets_unlocked", "gets"}


def models(roles: Iterable[ExportRole], image: Image) -> dict[str, list[Any]]:
    """Call models for the imports that libraries of the image define."""
    actions = {"command": "command", "command-format": "command_format", "source": "outside", "source-buffer": "given"}
    return {
        role.function: [actions[role.role], role.argument]
        for role in roles
        if role.function in image.import_address and role.role in actions
    }


def roles(whole: Whole, reporter: Reporter) -> tuple[ExportRole, ...]:
    """The roles of a library's exported functions."""
    out: dict[str, ExportRole] = {}
    for name, address in whole.image.exports.items():
        summary = whole.summaries.get(address)
        if summary is None:
            continue
        role = _command(whole, address) or _source(whole, reporter, address)
        if role is not None:
            out[name] = ExportRole(function=name, role=role[0], argument=role[1])
    return tuple(out[name] for name in sorted(out))


def _command(whole: Whole, address: int) -> tuple[str, int] | None:
    for event in whole.residual.get(address, ()):
        if event[0] != "sink":
            continue
        content: Content = event[3]
        for dep in sorted(content.deps):
            node = whole.terms.nodes[dep[1]]
            if node[0] == PARAM and not dep[4] & quoting.SAFE:
                return ("command-format" if dep[0] == "V" else "command"), node[1]
    return None


def _source(whole: Whole, reporter: Reporter, address: int) -> tuple[str, int] | None:
    summary = whole.summaries[address]
    if summary is None:
        return None
    for value, facts in summary.returns:
        held = frozenset(
            ("T", root, offset, stride, False)
            for root, offset, stride in whole.store.points(value)
            if not _is_count(whole, root)
        )
        if _outside(whole, reporter, Content(held, "%s"), facts):
            return "source", 0
    for (root, _offset, _stride), content in summary.texts.items():
        node = whole.terms.nodes[root]
        if node[0] == PARAM and _outside(whole, reporter, content):
            return "source-buffer", node[1]
    return None


def _is_count(whole: Whole, root: int) -> bool:
    """What recv and its kin return is how much they received, not what."""
    node = whole.terms.nodes[root]
    return node[0] == RESULT and node[2] in _COUNTED


def _outside(whole: Whole, reporter: Reporter, content: Content, facts: frozenset[Fact] = frozenset()) -> bool:
    origins = whole.store.origins(content, facts)
    return not whole.store.lost and any(not one.clean and reporter.heard.source(one) is not None for one in origins)
