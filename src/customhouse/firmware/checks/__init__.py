"""Questions asked of a device: each is one file, one test with a case for and a case against, one line of docs."""

from datetime import date

from customhouse.model import DeviceFacts, Finding, Severity

from .accounts import (
    ClearTextUsers,
    EmptyPassword,
    HashInProgram,
    KnownPassword,
    RemoteWithoutPassword,
    SecondRoot,
    WeakHash,
)
from .check import Check, DatedCheck
from .clear_text_web import ClearTextWeb
from .components import KernelDisagrees, SbomDisagrees, SeveralVersions, UnnamedPrograms
from .console import ConsoleWithoutLogin
from .debug_services import DebugServices
from .endpoints import ClearTextHosts
from .file_transfer import FileTransferAtBoot
from .flows import CommandFromNetwork, OverflowFromNetwork
from .hardening import NetworkHardening, ProgramHardening
from .kernel_age import KernelAge
from .removable_scripts import ScriptFromRemovableMedia
from .secrets import Certificates, Credentials, PrivateKeys, WifiKeys
from .ssh import SshAtBoot
from .telnet import TelnetAtBoot, TelnetNotStarted, TelnetPasswordInScript
from .updates import NoUpdatePath, UncheckedCertificate, UnclearVerification, UnverifiedUpdate
from .upnp import UpnpAtBoot
from .web import CommandFromRequest

__all__ = ["CHECKS", "Check", "DatedCheck", "check"]

CHECKS: tuple[Check, ...] = (
    ClearTextUsers(),
    EmptyPassword(),
    HashInProgram(),
    KnownPassword(),
    RemoteWithoutPassword(),
    SecondRoot(),
    WeakHash(),
    KernelDisagrees(),
    SbomDisagrees(),
    SeveralVersions(),
    UnnamedPrograms(),
    ClearTextHosts(),
    CommandFromNetwork(),
    OverflowFromNetwork(),
    NetworkHardening(),
    ProgramHardening(),
    KernelAge(),
    Certificates(),
    Credentials(),
    PrivateKeys(),
    WifiKeys(),
    NoUpdatePath(),
    UncheckedCertificate(),
    UnclearVerification(),
    UnverifiedUpdate(),
    CommandFromRequest(),
    ConsoleWithoutLogin(),
    DebugServices(),
    FileTransferAtBoot(),
    ScriptFromRemovableMedia(),
    SshAtBoot(),
    TelnetAtBoot(),
    TelnetNotStarted(),
    TelnetPasswordInScript(),
    UpnpAtBoot(),
    ClearTextWeb(),
)
"""Every check there is, in the order of their rules. Adding one means adding a line here."""

_GRAVITY = {severity: rank for rank, severity in enumerate(Severity)}


def check(device: DeviceFacts, today: date | None = None) -> tuple[Finding, ...]:
    """All findings, the gravest first, in an order that does not depend on chance. `today` is for questions of age."""
    found = [finding for question in CHECKS for finding in question.findings_on(device, today)]
    return tuple(sorted(found, key=lambda f: (_GRAVITY[f.severity], f.rule, f.subject, f.title)))
