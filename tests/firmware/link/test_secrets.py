"""Secrets, and who uses them."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.firmware.conftest import MadeDevice

KEY = (
    rsa.generate_private_key(65537, 1024)
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    .decode()
)
CLIENT = "\x7fELF\x01\x01\x01" + "\0" * 60 + "\0/etc/ssl/camera.key\0"


def test_a_key_names_the_scripts_and_programs_that_name_it(device: MadeDevice) -> None:
    device.file("/etc/ssl/camera.key", KEY)
    device.file("/etc/httpd.conf", "key=/etc/ssl/camera.key\n")
    device.file("/usr/bin/httpd", CLIENT.encode(), executable=True)
    device.file("/etc/other.conf", "key=/etc/ssl/other.key\n")
    [secret] = device.facts().secrets
    assert (secret.kind, secret.subject, secret.detail) == ("private-key", "RSA 1024 bits", "not encrypted")
    assert secret.used_by == ("/usr/bin/httpd", "/etc/httpd.conf")
    assert secret.evidence[0].path == "/etc/ssl/camera.key"
    assert "MII" not in secret.evidence[0].excerpt


def test_a_key_that_nothing_names_has_no_users(device: MadeDevice) -> None:
    device.file("/root/left.key", KEY)
    [secret] = device.facts().secrets
    assert secret.used_by == ()


def test_a_program_that_holds_a_key_uses_it(device: MadeDevice) -> None:
    device.file("/usr/bin/cloud", b"\x7fELF\x01\x01\x01" + bytes(60) + b"\0" + KEY.encode() + b"\0", executable=True)
    [secret] = device.facts().secrets
    assert secret.used_by == ("/usr/bin/cloud",)


def test_the_same_key_in_two_places_is_one_secret(device: MadeDevice) -> None:
    device.file("/etc/a.key", KEY)
    device.file("/etc/b.pem", "# copy\n" + KEY)
    [secret] = device.facts().secrets
    assert [place.path for place in secret.evidence] == ["/etc/a.key", "/etc/b.pem"]


def test_a_wifi_key_in_an_esp32s_settings_is_found_unless_it_was_never_set(device: MadeDevice) -> None:
    device.file("@nvs-0x9000/nvs.net80211/sta.pswd", b"correcthorse" + bytes(53))
    device.file("@nvs-0x9000/nvs.net80211/ap.passwd", bytes(65))
    device.file("@nvs-0x9000/nvs.net80211/sta.chan", b"\x06\x01")
    [secret] = device.facts().secrets
    assert (secret.kind, secret.subject) == ("wifi-key", "sta.pswd")
    assert "correcthorse" not in repr(secret)


def test_a_wifi_key_is_not_printed(device: MadeDevice) -> None:
    device.file("/etc/wpa_supplicant.conf", 'network={\n ssid="lab"\n psk="correcthorse"\n}\n')
    [secret] = device.facts().secrets
    assert (secret.kind, secret.subject) == ("wifi-key", "lab")
    assert "correcthorse" not in repr(secret)
