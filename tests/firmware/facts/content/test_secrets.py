"""Keys, certificates, tokens and Wi-Fi keys; and what only looks like them."""

import datetime
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from customhouse.firmware.facts import facts_of_bytes
from customhouse.firmware.facts.content import ContentExtractor
from customhouse.firmware.facts.content.secrets import TOKENS
from customhouse.model import SecretHit

RSA_KEY = rsa.generate_private_key(65537, 1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def _secrets(data: bytes) -> tuple[SecretHit, ...]:
    content = facts_of_bytes(data, (ContentExtractor(),)).content
    return content.secrets if content is not None else ()


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, secret: bytes = b"") -> bytes:
    encryption = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8 if secret else serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)


def _certificate(form: serialization.Encoding = serialization.Encoding.PEM, ca: bool = False) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera.local")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(RSA_KEY.public_key())
        .serial_number(7)
        .not_valid_before(datetime.datetime(2015, 1, 1))
        .not_valid_after(datetime.datetime(2018, 1, 1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    return builder.sign(RSA_KEY, hashes.SHA256()).public_bytes(form)


def test_a_private_key_is_found_with_its_kind_and_size() -> None:
    [hit] = _secrets(b"junk\n" + _pem(RSA_KEY))
    assert (hit.kind, hit.subject, hit.detail, hit.offset) == ("private-key", "RSA 1024 bits", "not encrypted", 5)
    [other] = _secrets(_pem(EC_KEY))
    assert other.subject == "EC 256 bits"


def test_the_same_key_has_the_same_digest_wherever_it_stands() -> None:
    [one] = _secrets(_pem(RSA_KEY))
    [two] = _secrets(b"\x7fELF\x00\x00" + _pem(RSA_KEY).replace(b"\n", b"\\n") + b"\x00")
    assert one.digest == two.digest


def test_a_key_under_a_pass_phrase_says_so() -> None:
    [hit] = _secrets(_pem(RSA_KEY, b"secret"))
    assert hit.detail == "encrypted with a pass phrase"


def test_keys_in_binary_form_are_found_when_they_are_the_whole_file() -> None:
    der = RSA_KEY.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    [hit] = _secrets(der)
    assert (hit.kind, hit.subject) == ("private-key", "RSA 1024 bits")
    [dropbear] = _secrets(b"\x00\x00\x00\x07ssh-rsa\x00\x00\x00\x03\x01\x00\x01" + bytes(300))
    assert dropbear.subject == "dropbear host key (ssh-rsa)"


def test_a_certificate_tells_its_subject_term_key_and_signer() -> None:
    for form in (serialization.Encoding.PEM, serialization.Encoding.DER):
        [hit] = _secrets(_certificate(form))
        assert (hit.kind, hit.subject) == ("certificate", "CN=camera.local")
        assert hit.detail == "key=RSA 1024; from=2015-01-01; until=2018-01-01; signature=sha256; self-signed"
    [authority] = _secrets(_certificate(ca=True))
    assert authority.detail.endswith("; ca")


@pytest.mark.parametrize(
    "data",
    [
        b"\x00-----BEGIN RSA PRIVATE KEY-----\x00-----END RSA PRIVATE KEY-----\x00",
        b"-----BEGIN RSA PRIVATE KEY-----\nabcd\n-----END RSA PRIVATE KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\n" + b"QUJD" * 40 + b"\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PUBLIC KEY-----\n" + b"QUJD" * 40 + b"\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN RSA PRIVATE KEY-----\nno end",
    ],
)
def test_headers_without_a_key_are_none(data: bytes) -> None:
    assert _secrets(data) == ()


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token.name)
def test_each_token_matches_its_sample_and_not_its_counter(token: object) -> None:
    sample, counter = token.sample.encode(), token.counter.encode()  # type: ignore[attr-defined]
    [hit] = _secrets(b'key = "' + sample + b'"\n')
    assert hit.subject == token.name  # type: ignore[attr-defined]
    assert sample.decode() not in hit.excerpt
    assert _secrets(b'key = "' + counter + b'"\n') == ()
    if not re.search(rb"\d:", sample):  # of a bot's token the number in front may be longer
        assert _secrets(b'key = "xx' + sample + b'xx"\n') == ()


@pytest.mark.parametrize(
    ("data", "subject"),
    [
        (b'network={\n\tssid="maker-test"\n\tpsk="hunter2hunter2"\n}\n', "maker-test"),
        (b"interface=wlan0\nssid=CAM-1234\nwpa_passphrase=12345678\n", "CAM-1234"),
        (b"config wifi-iface\n\toption ssid 'Box'\n\toption key 'sesame99'\n", "Box"),
        (b"ssid=x\npsk=" + b"0123456789abcdef" * 4 + b"\n", "x"),
    ],
)
def test_wifi_keys_are_found_with_their_network(data: bytes, subject: str) -> None:
    [hit] = _secrets(data)
    assert (hit.kind, hit.subject) == ("wifi-key", subject)


@pytest.mark.parametrize(
    "data",
    [
        b'#\tpsk="very secret passphrase"\n',
        b'network={\n\tpsk="$PASSWORD_X"\n}\n',
        b"wpa_passphrase=your_password_here\n",
        b"config uhttpd main\n\toption key '/etc/uhttpd.key'\n",
        b"config rule\n\toption key 'something'\n",
    ],
)
def test_comments_templates_and_other_keys_are_no_wifi_keys(data: bytes) -> None:
    assert _secrets(data) == ()


def test_a_password_in_a_url_is_found_and_not_printed() -> None:
    [hit] = _secrets(b"\x00ftp://upload:Tr0ub4dor@files.maker.com/in\x00")
    assert (hit.kind, hit.subject) == ("password", "upload at files.maker.com")
    assert "Tr0ub4dor" not in hit.excerpt
    assert _secrets(b"\x00ftp://user:password@host.maker.com/\x00ftp://%s:%s@%s/\x00") == ()


@pytest.mark.parametrize(
    "line",
    [
        b"ftpput -u uplink -p Zebra77x 47.88.1.9 /tmp/log log\n",
        b"curl -s -u uplink:Zebra77x https://files.maker.com/\n",
        b"wget -q --user=uplink --password=Zebra77x http://files.maker.com/x\n",
    ],
)
def test_a_login_on_a_command_line_is_found_and_not_printed(line: bytes) -> None:
    [hit] = _secrets(b"#!/bin/sh\n" + line)
    assert hit.subject == "uplink, on a command line that fetches or sends files"
    assert "Zebra77x" not in repr(hit)


@pytest.mark.parametrize(
    "line",
    [
        b'curl -u "$USER:$PASS" https://x.maker.com/\n',
        b"curl -u user https://x.maker.com/\n",
        b"ftpput -u %s -p %s %s\n",
    ],
)
def test_a_login_made_of_variables_is_none(line: bytes) -> None:
    assert _secrets(b"#!/bin/sh\n" + line) == ()


@given(st.binary(max_size=300))
def test_any_bytes_in_a_block_do_no_harm(data: bytes) -> None:
    _secrets(b"-----BEGIN PRIVATE KEY-----" + data + b"-----END PRIVATE KEY-----" + b"0\x82" + data)
    _secrets(b"0\x82" + data)
    _secrets(b"\x00\x00\x00\x07ssh-rsa\x00\x00" + data)
