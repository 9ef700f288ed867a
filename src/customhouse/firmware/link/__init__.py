"""Tree + facts of single files -> facts of the device. One module a question; this one only joins their answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from customhouse.host.context import Context
from customhouse.model import Component, DeviceFacts, Digest, FileFacts, FileTree

from .accounts import accounts
from .boot import boot
from .closed_files import closed_files
from .components import components
from .endpoints import endpoints
from .files import Files, Mount, files_of
from .flows import program_flows
from .hardening import hardening
from .sbom_comparison import sbom_differences
from .secrets import secrets
from .services import services
from .unnamed_programs import unnamed_programs
from .updates import updates
from .web_handlers import web_handlers

__all__ = ["Files", "Mount", "files_of", "link"]


def link(
    tree: FileTree,
    facts: Mapping[Digest, FileFacts],
    context: Context | None = None,
    contents: Mapping[Digest, Path] | None = None,
    *,
    package_database: bool = True,
    supplier: Sequence[Component] = (),
) -> DeviceFacts:
    """Everything that can be said of the device by joining its files.

    `context` carries the budget and the cache (None: no limit, no cache); `contents` are the bytes by digest, for the
    few questions that facts do not answer. `package_database=False` names components from the files alone; `supplier`
    is what their SBOMs list. Never raises for what an image holds.
    """
    started = boot(tree, files_of(tree, facts), contents)
    files = started.files
    offered = services(started)
    programs = program_flows(files, tree, facts, offered)
    logins = accounts(files, offered, context)
    named = components(files, tree, contents, package_database=package_database)
    return DeviceFacts(
        tree=tree,
        facts=dict(facts),
        accounts=logins.accounts,
        services=offered,
        secrets=secrets(files, offered),
        endpoints=endpoints(files),
        updates=updates(files, offered),
        hardening=hardening(files, offered),
        components=named,
        unnamed_programs=unnamed_programs(files, tree, offered),
        sbom_differences=sbom_differences(supplier, named) if supplier else (),
        flows=(*programs.flows, *web_handlers(files, offered)),
        constructed_commands=programs.constructed_commands,
        not_examined=(
            *started.not_examined,
            *logins.not_examined,
            *programs.not_examined,
            *closed_files(files),
        ),
    )
