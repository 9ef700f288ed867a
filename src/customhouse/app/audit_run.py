"""One call of `customhouse audit`: options from files, one image after the other, outputs written whole."""

import contextlib
import datetime
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from customhouse import reports
from customhouse.host.context import Context
from customhouse.host.deadline import Deadline
from customhouse.host.errors import InputError
from customhouse.host.progress import Progress
from customhouse.host.workfolder import work_folder
from customhouse.judgement.policy import default_policy, parse_policy
from customhouse.model import EXIT_STATUS, Component, Decision, Deployment, Dossier, VexSubject

from .advise import read_deployment
from .audit import AuditOptions, audit

Parsed = TypeVar("Parsed")

GRAVITY = (Decision.REFUSE, Decision.INCONCLUSIVE, Decision.ADMIT_CONTAINED, Decision.ADMIT)
"""Of several images, the gravest decides the exit status."""


def rendered(name: str, dossier: Dossier, today: datetime.date) -> str:
    """A report or a standard document. The libraries of the documents are slow to load, so only who asks pays."""
    if name in reports.REPORTS:
        return reports.REPORTS[name](dossier)
    if name == "cyclonedx":
        from customhouse.exchange import cyclonedx

        return cyclonedx.write(dossier)
    if name == "spdx":
        from customhouse.exchange import spdx

        return spdx.write(dossier)
    from customhouse.exchange import openvex

    from .advise_run import vex_text

    subject = VexSubject(name=dossier.image.name, sha256=dossier.image.sha256)
    return vex_text(openvex.write, dossier.vulnerabilities, subject, today)


class Output(Protocol):
    """Where a report goes; `-` is standard output."""

    @property
    def format(self) -> str: ...

    @property
    def file(self) -> Path: ...


class AuditRun(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is the same for all images of one call."""

    options: AuditOptions
    outputs: tuple[Output, ...]
    budget: float
    jobs: int
    use_cache: bool
    isolate: bool
    progress: Progress
    colour: bool

    def all(self, images: Sequence[Path]) -> tuple[int, str]:
        """Exit status and what goes to standard output. An image that cannot be read stops the run, before any work."""
        for path in images:
            _readable(path)
        self._refuse_clashes(images)
        dossiers = []
        for path in images:
            dossiers.append(self._one(path))
            for output in self.outputs:
                if str(output.file) != "-":
                    write_whole(_named(output.file, path), self._text(output.format, dossiers[-1]))
        gravest = min((dossier.verdict.decision for dossier in dossiers), key=GRAVITY.index)
        shown = next(output.format for output in self.outputs if str(output.file) == "-")
        return EXIT_STATUS[gravest], self._joined(shown, dossiers)

    def _one(self, path: Path) -> Dossier:
        cache = cache_folder() if self.use_cache else None
        with work_folder() as work:
            context = Context(
                work=work,
                cache=cache,
                jobs=self.jobs,
                isolate=self.isolate,
                deadline=Deadline.after(self.budget),
                progress=self.progress,
            )
            return audit(path, self.options, context)

    def _text(self, name: str, dossier: Dossier) -> str:
        return rendered(name, dossier, self.options.today)

    def _joined(self, name: str, dossiers: Sequence[Dossier]) -> str:
        """Reports one below the other; machine formats of several images as one JSON array."""
        if name == "terminal":
            return "\n".join(reports.terminal.render(dossier, colour=self.colour) for dossier in dossiers)
        texts = [self._text(name, dossier) for dossier in dossiers]
        if len(texts) == 1 or name == "html":
            return "\n".join(texts)
        return "[" + ",\n".join(texts) + "]\n"

    def _refuse_clashes(self, images: Sequence[Path]) -> None:
        files = [_named(output.file, path) for path in images for output in self.outputs if str(output.file) != "-"]
        if len(set(files)) < len(files):
            raise InputError(
                "two reports would be written to the same file",
                "with several images, put {image} where the image's name should stand: -o html:{image}.html",
            )


def options_from_files(
    *,
    policy: Path | None,
    deployment: Path | None,
    sbom: tuple[Path, ...],
    vex: tuple[Path, ...],
    today: datetime.date,
    firmware_date: datetime.date | None,
    latest_firmware: datetime.date | None,
    package_database: bool,
) -> AuditOptions:
    """Reads and checks every file that the user named. Raises `InputError` with the file's name."""
    declared = read_deployment(deployment) if deployment else None
    dates = {
        name: value.isoformat()
        for name, value in (("firmware_date", firmware_date), ("latest_firmware", latest_firmware))
        if value is not None
    }
    if dates:
        declared = msgspec.structs.replace(declared or Deployment(), **dates)
    return AuditOptions(
        policy=_parsed(policy, parse_policy) if policy else default_policy(),
        today=today,
        deployment=declared,
        supplier=tuple(component for path in sbom for component in _components(path)),
        vex=tuple((str(path), _bytes_of(path)) for path in vex),
        package_database=package_database,
    )


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/customhouse`, by default `~/.cache/customhouse`; made when it is not there."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "customhouse"
    with contextlib.suppress(OSError):  # a cache that cannot be had is no reason to fail; the store says so itself
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def write_whole(target: Path, text: str) -> None:
    """The whole file or the old one: written beside it and renamed. A link is followed and stays one; what is no plain
    file, such as `/dev/stdout` or a named pipe, is written to: a rename would put a file in its place.

    Raises `InputError` when it cannot be written.
    """
    try:
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8") as stream:
                stream.write(text)
        else:
            _replace(Path(os.path.realpath(target)), text)
    except OSError as trouble:
        raise InputError(f"{target}: the report cannot be written: {trouble.strerror}") from trouble


def _replace(target: Path, text: str) -> None:
    descriptor, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(beside).chmod(0o644)
        Path(beside).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(beside).unlink()
        raise


def _parsed(path: Path, parse: Callable[[str], Parsed]) -> Parsed:
    try:
        return parse(_bytes_of(path).decode("utf-8"))
    except ValueError as trouble:
        raise InputError(f"{path}: {trouble}") from trouble


def _components(path: Path) -> tuple[Component, ...]:
    from customhouse.exchange.sbom import read_sbom  # slow to load, and rarely needed

    return read_sbom(_bytes_of(path), str(path))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as trouble:
        raise InputError(f"{path}: {trouble.strerror}") from trouble


def _readable(path: Path) -> None:
    if str(path) == "-" and not path.exists():
        raise InputError("an image cannot be read from standard input", "write it to a file first, and name that file")
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: may not be read")


def _named(file: Path, image: Path) -> Path:
    return Path(str(file).replace("{image}", image.name))
