"""Tree + facts of single files -> facts of the device. One module a question; this one only joins their answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from customhouse.host.context import Context
from customhouse.model import Component, DeviceFacts, Digest, FileFacts, FileTree, Service

from .accounts import accounts
from .components import components
from .endpoints import endpoints
from .files import Files, Mount, files_of
from .flows import program_flows
from .hardening import hardening
from .sbom_comparison import sbom_differences
from .secrets import secrets
from .unnamed_programs import unnamed_programs
from .updates import updates

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
    files = files_of(tree, facts)
    services: tuple[Service, ...] = ()
    programs = program_flows(files, tree, facts, services)
    logins = accounts(files, services, context)
    named = components(files, tree, contents, package_database=package_database)
    return DeviceFacts(
        tree=tree,
        facts=dict(facts),
        accounts=logins.accounts,
        services=services,
        secrets=secrets(files, services),
        endpoints=endpoints(files),
        updates=updates(files, services),
        hardening=hardening(files, services),
        components=named,
        unnamed_programs=unnamed_programs(files, tree, services),
        sbom_differences=sbom_differences(supplier, named) if supplier else (),
        flows=programs.flows,
        constructed_commands=programs.constructed_commands,
        not_examined=(*logins.not_examined, *programs.not_examined),
    )
