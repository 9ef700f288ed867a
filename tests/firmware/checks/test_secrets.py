"""Each question about secrets, with a reason and without."""

import datetime

import msgspec
import pytest
from tests.firmware.conftest import MadeDevice

from customhouse.firmware.checks.secrets import Certificates, Credentials, PrivateKeys, WifiKeys
from customhouse.model import DeviceFacts, Evidence, ImagePath, Secret, Severity

TODAY = datetime.date(2026, 7, 20)
KEY = Secret(
    kind="private-key",
    subject="RSA 2048 bits",
    detail="not encrypted",
    used_by=("/usr/sbin/httpd",),
    evidence=(Evidence(path=ImagePath("/etc/ssl/device.key")),),
)
GOOD = "key=RSA 2048; from=2025-01-01; until=2035-01-01; signature=sha256; self-signed"


def _device(made: MadeDevice, *secrets: Secret) -> DeviceFacts:
    return msgspec.structs.replace(made.facts(), secrets=secrets)


def _with(secret: Secret, **changes: object) -> Secret:
    return msgspec.structs.replace(secret, **changes)


def test_a_private_key_that_a_service_uses_is_grave(device: MadeDevice) -> None:
    [finding] = PrivateKeys().findings(_device(device, KEY))
    assert (finding.severity, finding.tags) == (Severity.HIGH, ("embedded-private-key",))
    assert "/usr/sbin/httpd" in finding.detail
    [unused] = PrivateKeys().findings(_device(device, _with(KEY, used_by=())))
    assert unused.severity is Severity.MEDIUM


def test_an_encrypted_key_or_a_sample_proves_nothing(device: MadeDevice) -> None:
    sample = _with(KEY, evidence=(Evidence(path=ImagePath("/usr/share/doc/x/key.pem")),))
    for secret in (_with(KEY, detail="encrypted with a pass phrase"), sample):
        [finding] = PrivateKeys().findings(_device(device, secret))
        assert (finding.severity, finding.tags) == (Severity.LOW, ())


def test_without_a_key_there_is_no_finding(device: MadeDevice) -> None:
    assert not list(PrivateKeys().findings(_device(device, _with(KEY, kind="certificate"))))


def test_credentials_are_found_one_by_one(device: MadeDevice) -> None:
    api = _with(KEY, kind="api-key", subject="AWS access key id")
    token = _with(KEY, kind="token", subject="JSON web token")
    found = list(Credentials().findings(_device(device, api, token, KEY)))
    assert [finding.severity for finding in found] == [Severity.HIGH, Severity.MEDIUM]
    assert not list(Credentials().findings(_device(device, KEY)))


def test_wifi_keys_are_one_finding(device: MadeDevice) -> None:
    keys = [_with(KEY, kind="wifi-key", subject=name) for name in ("lab", "factory")]
    [finding] = WifiKeys().findings(_device(device, *keys))
    assert finding.title.endswith("lab, factory")
    assert not list(WifiKeys().findings(_device(device, KEY)))


@pytest.mark.parametrize(
    ("detail", "fault"),
    [
        (GOOD.replace("2035", "2020"), "expired on 2020-01-01"),
        (GOOD.replace("RSA 2048", "RSA 1024"), "its RSA key has only 1024 bits"),
        (GOOD.replace("; self-signed", "").replace("sha256", "sha1"), "signed with sha1"),
        (GOOD.replace("RSA 2048", "EC 256"), ""),
        (GOOD, ""),
        (GOOD.replace("RSA 2048", "RSA 1024") + "; ca", ""),
    ],
)
def test_what_is_wrong_with_a_certificate(device: MadeDevice, detail: str, fault: str) -> None:
    certificate = _with(KEY, kind="certificate", subject="CN=cam", detail=detail)
    found = list(Certificates().findings_on(_device(device, certificate), TODAY))
    assert [fault in finding.detail for finding in found] == ([True] if fault else [])


def test_without_a_day_nothing_is_expired(device: MadeDevice) -> None:
    certificate = _with(KEY, kind="certificate", detail=GOOD.replace("2035", "2020"))
    assert not list(Certificates().findings(_device(device, certificate)))
