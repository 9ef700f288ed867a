"""Each question about updates, with a reason and without."""

import msgspec
from tests.firmware.conftest import MadeDevice

from customhouse.firmware.checks.updates import (
    NoUpdatePath,
    UncheckedCertificate,
    UnclearVerification,
    UnverifiedUpdate,
)
from customhouse.model import DeviceFacts, Severity, UpdatePath

FETCHED = UpdatePath(mechanism="script /usr/bin/up", transport="http", signature_checked=False)


def _device(made: MadeDevice, *updates: UpdatePath) -> DeviceFacts:
    return msgspec.structs.replace(made.facts(), updates=updates)


def _with(path: UpdatePath, **changes: object) -> UpdatePath:
    return msgspec.structs.replace(path, **changes)


def test_firmware_fetched_in_clear_text_and_unchecked_is_grave(device: MadeDevice) -> None:
    [finding] = UnverifiedUpdate().findings(_device(device, FETCHED))
    assert (finding.severity, finding.tags) == (Severity.HIGH, ("update-unverified",))
    assert "fetched over http" in finding.title


def test_handed_over_by_an_administrator_it_is_less_so(device: MadeDevice) -> None:
    [finding] = UnverifiedUpdate().findings(_device(device, _with(FETCHED, transport="local-file")))
    assert finding.severity is Severity.MEDIUM


def test_what_was_read_off_a_programs_strings_bears_no_tag(device: MadeDevice) -> None:
    [finding] = UnverifiedUpdate().findings(_device(device, _with(FETCHED, mechanism="program /usr/bin/up")))
    assert finding.tags == ()


def test_a_checked_or_unclear_update_is_not_unverified(device: MadeDevice) -> None:
    paths = (_with(FETCHED, signature_checked=True), _with(FETCHED, signature_checked=None))
    assert not list(UnverifiedUpdate().findings(_device(device, *paths)))


def test_switched_off_certificate_checks_are_found(device: MadeDevice) -> None:
    [finding] = UncheckedCertificate().findings(_device(device, _with(FETCHED, certificate_checked=False)))
    assert finding.severity is Severity.HIGH
    assert not list(UncheckedCertificate().findings(_device(device, FETCHED)))


def test_a_device_without_any_update_path_is_noted(device: MadeDevice) -> None:
    device.file("/etc/passwd", "root:*:0:0::/:/bin/sh\n")
    [finding] = NoUpdatePath().findings(device.facts())
    assert finding.severity is Severity.LOW
    assert not list(NoUpdatePath().findings(_device(device, FETCHED)))


def test_without_a_root_file_system_nothing_is_said_of_updates(device: MadeDevice) -> None:
    device.file("@boot/env", "bootdelay=1\n")
    assert not list(NoUpdatePath().findings(device.facts()))


def test_what_could_not_be_told_is_said(device: MadeDevice) -> None:
    [finding] = UnclearVerification().findings(_device(device, _with(FETCHED, signature_checked=None)))
    assert "script /usr/bin/up" in finding.title
    assert not list(UnclearVerification().findings(_device(device, FETCHED)))
