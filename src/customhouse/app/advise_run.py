"""One call of `customhouse advise`: what the target is, the rooms it needs, and the answer in the format asked for."""

import contextlib
import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from customhouse import __version__
from customhouse.exchange import csaf, cyclonedx_vex, openvex
from customhouse.host.context import Context
from customhouse.host.deadline import Deadline
from customhouse.host.errors import InputError
from customhouse.host.progress import Progress
from customhouse.judgement.situation import Seen
from customhouse.model import Component, Deployment, VexSubject, Vulnerability

from .advice_text import text_of
from .advise import Advised, advised, component_of, from_image, letters

_SBOM_MARKS = (b'"bomFormat"', b'"spdxVersion"', b"SPDXVersion:", b"cyclonedx.org/schema/bom", b'"SPDXID"')
_LOOKED_AT = 64 * 1024


class AdviseRun(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one call needs."""

    target: str
    deployment: Deployment
    today: datetime.date
    format: str
    """terminal, json, letter, openvex, cyclonedx, csaf."""
    progress: Progress
    vex: tuple[tuple[str, bytes], ...] = ()
    budget: float = 600.0
    use_cache: bool = True
    isolate: bool = True
    jobs: int = 1
    store: Path | None = None


def answer(run: AdviseRun) -> str:
    """What goes to standard output. Raises InputError for a target that is nothing we can read."""
    subject, components, seen = _target(run)
    if not components:
        raise InputError(f"{run.target}: no component of it could be named", hint="try NAME@VERSION")
    result = advised(subject.name, components, run.deployment, run.today, seen, run.store, run.vex)
    if run.format == "json":
        return msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n"
    if run.format == "letter":
        return letters(result, run.today)
    if run.format == "terminal":
        return text_of(result, run.today)
    return _document(run, subject, result)


def _document(run: AdviseRun, subject: VexSubject, result: Advised) -> str:
    writers: dict[str, Callable[..., str]] = {
        "openvex": openvex.write,
        "cyclonedx": cyclonedx_vex.write,
        "csaf": csaf.write,
    }
    if not result.vulnerabilities:
        raise InputError(f"{run.target}: no known flaw matches, so there is no statement to make")
    return vex_text(writers[run.format], result.vulnerabilities, subject, run.today)


def vex_text(write: Callable[..., str], rows: Sequence[Vulnerability], subject: VexSubject, day: datetime.date) -> str:
    """A VEX document of the day: the same rows on the same day give the same bytes."""
    return write(rows, subject, author="customhouse", timestamp=f"{day}T00:00:00Z", tool=f"customhouse {__version__}")


def _target(run: AdviseRun) -> tuple[VexSubject, tuple[Component, ...], tuple[Seen, ...]]:
    path = Path(run.target)
    if not path.exists():
        component = component_of(run.target)
        if component is None:
            raise InputError(f"{run.target}: no such file, and not NAME@VERSION either")
        return VexSubject(name=component.name, version=component.version), (component,), ()
    if path.is_file() and (components := _listed(path)) is not None:
        return VexSubject(name=path.name), components, ()
    return _image(path, run)


def _listed(path: Path) -> tuple[Component, ...] | None:
    """Components of an SBOM; None when the file is none."""
    with path.open("rb") as handle:
        head = handle.read(_LOOKED_AT)
    if not any(mark in head for mark in _SBOM_MARKS):
        return None
    # Here, not above: the readers of SBOMs load a library that nothing else here needs.
    from customhouse.exchange.sbom import read_sbom

    return read_sbom(path.read_bytes(), path.name)


def _image(path: Path, run: AdviseRun) -> tuple[VexSubject, tuple[Component, ...], tuple[Seen, ...]]:
    # Here, not above: a bare name@version needs none of the machinery that takes images apart.
    from customhouse.firmware.unpack import identify
    from customhouse.host.workfolder import work_folder

    from .audit_run import cache_folder

    with contextlib.ExitStack() as stack:
        context = Context(
            work=stack.enter_context(work_folder()),
            cache=cache_folder() if run.use_cache else None,
            jobs=run.jobs,
            isolate=run.isolate,
            deadline=Deadline.after(run.budget),
            progress=run.progress,
        )
        image = identify(path)
        components, seen = from_image(path, context)
    return VexSubject(name=image.name, sha256=image.sha256), components, seen
