"""Services for developers and factories that are still there."""

from collections.abc import Iterable

from customhouse.model import DeviceFacts, Finding, Service, Severity

from .check import Check
from .service_words import chain, condition, is_open, possible, where


class DebugServices(Check):
    """A shell on a bare port, adb, gdbserver, telnet unlockers."""

    rule = "boot.debug"
    asks = "Does a debug or factory service run, or could one be started?"
    clauses = ("EN 303 645 5.6-4", "EN 303 645 5.6-5", "EN 303 645 5.1-1", "CRA I(2)(j)")

    def findings(self, device: DeviceFacts) -> Iterable[Finding]:
        for service in device.services:
            if service.kind == "debug" and (is_open(service) or possible(service)):
                yield self._of(service)

    def _of(self, service: Service) -> Finding:
        shell = is_open(service) and service.authentication == "none"
        # A shell that asks for nothing is a back door whatever it was made for; others are a way in that nobody needs.
        otherwise = Severity.HIGH if is_open(service) else Severity.LOW
        return self.finding(
            severity=Severity.CRITICAL if shell else otherwise,
            title=_title(service, shell),
            detail=f"{chain(service)}{where(service)}.{condition(service)}",
            remedy="Leave it out of images for sale.",
            evidence=service.evidence,
            tags=_tags(service, shell),
            subject=service.program,
        )


def _title(service: Service, shell: bool) -> str:
    name = service.program.rpartition("/")[2]
    if shell:
        return f"{name} gives whoever connects control of the device, and asks for nothing"
    return f"The debug service {name} {'starts at boot' if is_open(service) else 'may be started'}"


def _tags(service: Service, shell: bool) -> tuple[str, ...]:
    if shell and service.user == "root":
        return ("back-door", "remote-root")
    if shell:
        return ("back-door",)
    return ("debug-interface",) if is_open(service) else ()
