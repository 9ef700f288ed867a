"""Private keys and certificates: PEM blocks anywhere, and contents that are one DER or dropbear key as a whole."""

import base64
import binascii
import hashlib
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from customhouse.model import Digest, SecretHit

from ..extractor import Hit, Pattern

if TYPE_CHECKING:
    from cryptography import x509

PATTERNS: Final = (Pattern(expression=rb"-----BEGIN [A-Z0-9 ]{0,30}(?:PRIVATE KEY|CERTIFICATE)-----", tag="pem"),)
_BLOCK_MOST: Final = 32 << 10
_BLOCKS_MOST: Final = 400
_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{0,30}(?:PRIVATE KEY|CERTIFICATE))-----"
    rb"((?:\\n|\\r|[\s\"',+\\]|[A-Za-z0-9+/=:,-])+?)-----END \1-----"
)
_NOT_BASE64: Final = re.compile(rb"\\[nr]|[^A-Za-z0-9+/=]")
_HEADER_LINE: Final = re.compile(rb"(?m)^[A-Za-z0-9-]+: [^\n]*\n")
_LEAST_DER: Final = 32
_DER_MOST: Final = 16 << 10
_DROPBEAR: Final = re.compile(
    rb"\x00\x00\x00(?:\x07ssh-rsa|\x07ssh-dss|\x0bssh-ed25519|\x13ecdsa-sha2-nistp256|\x13ecdsa-sha2-nistp384|\x13ecdsa-sha2-nistp521)\x00\x00"
)
_DROPBEAR_MOST: Final = 8 << 10


def read(data: bytes, hits: Sequence[Hit]) -> list[SecretHit]:
    """Keys and certificates by offset."""
    found = [hit for hit in (_whole_content(data),) if hit is not None]
    done = 0
    for hit in [h for h in hits if h.tag == "pem"][:_BLOCKS_MOST]:
        start = data.rfind(b"-----BEGIN ", 0, hit.end)
        if start < done:
            continue
        block = _BLOCK.match(data, start, start + _BLOCK_MOST)
        if block is not None:
            done = block.end()
            made = _of_block(block.group(1).decode(), block.group(2), start)
            if made is not None:
                found.append(made)
    return found


def _of_block(label: str, body: bytes, offset: int) -> SecretHit | None:
    """None for a block that holds no key: a template, or a string of the program that writes keys."""
    encrypted = b"ENCRYPTED" in body[:200] or "ENCRYPTED" in label
    packed = _NOT_BASE64.sub(b"", _HEADER_LINE.sub(b"", body))
    try:
        der = base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(der) < _LEAST_DER:
        return None
    if label.endswith("CERTIFICATE"):
        return _certificate(der, offset, "PEM")
    return _key(der, label, offset, encrypted=encrypted)


def _key(der: bytes, label: str, offset: int, *, encrypted: bool) -> SecretHit:
    what = "" if encrypted or "OPENSSH" in label else _key_words(der)
    detail = "encrypted with a pass phrase" if encrypted else "not encrypted"
    if "OPENSSH" in label:
        detail = (
            "not encrypted" if der[15:27] == b"\x00\x00\x00\x04none\x00\x00\x00\x04" else "encrypted with a pass phrase"
        )
    return SecretHit(
        kind="private-key",
        offset=offset,
        excerpt=f"-----BEGIN {label}-----",
        subject=what or label.title().replace("Rsa", "RSA").replace("Ec ", "EC ").replace("Dsa", "DSA"),
        detail=detail,
        digest=_digest(der),
    )


def _key_words(der: bytes) -> str:
    """`RSA 1024 bits`, or nothing when it cannot be parsed."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # slow to import, seldom needed

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # weak and odd parameters are what we look for
            key = load_der_private_key(der, None)
    except Exception:  # the library raises a dozen types for hostile DER
        return ""
    name = type(key).__name__.lstrip("_").removesuffix("PrivateKey").upper().replace("ELLIPTICCURVE", "EC")
    size = getattr(key, "key_size", None)
    return f"{name} {size} bits" if size else name


def _certificate(der: bytes, offset: int, form: str) -> SecretHit | None:
    from cryptography import x509  # slow to import, seldom needed

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            certificate = x509.load_der_x509_certificate(der)
            subject = certificate.subject.rfc4514_string({x509.NameOID.EMAIL_ADDRESS: "E"})
            detail = _certificate_words(certificate)
    except Exception:  # hostile DER: the library raises a dozen types
        return None
    return SecretHit(
        kind="certificate",
        offset=offset,
        excerpt=f"{form} certificate",
        subject=subject[:200],
        detail=detail,
        digest=_digest(der),
    )


def _certificate_words(certificate: "x509.Certificate") -> str:
    """`key=RSA 2048; until=2030-01-01; from=...; self-signed; ca; signature=sha256` : parsed again by the check."""
    from cryptography import x509

    key = certificate.public_key()
    name = type(key).__name__.lstrip("_").removesuffix("PublicKey").upper().replace("ELLIPTICCURVE", "EC")
    words = [f"key={name} {getattr(key, 'key_size', '')}".rstrip()]
    words.append(f"from={certificate.not_valid_before_utc.date().isoformat()}")
    words.append(f"until={certificate.not_valid_after_utc.date().isoformat()}")
    algorithm = certificate.signature_hash_algorithm
    if algorithm is not None:
        words.append(f"signature={algorithm.name}")
    if certificate.subject == certificate.issuer:
        words.append("self-signed")
    try:
        if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            words.append("ca")
    except Exception:  # absent, or an extension that does not parse
        words = list(words)
    return "; ".join(words)


def _whole_content(data: bytes) -> SecretHit | None:
    """A file that is nothing but a key or a certificate in binary form."""
    if len(data) <= _DROPBEAR_MOST and _DROPBEAR.match(data):
        kind = data[4 : 4 + data[3]].decode("ascii")
        return SecretHit(
            kind="private-key",
            offset=0,
            excerpt=kind,
            subject=f"dropbear host key ({kind})",
            detail="not encrypted",
            digest=_digest(data),
        )
    if not (_LEAST_DER < len(data) <= _DER_MOST and data[0] == 0x30 and data[1] in (0x81, 0x82)):
        return None
    words = _key_words(data)
    if words:
        return SecretHit(
            kind="private-key", offset=0, excerpt="DER key", subject=words, detail="not encrypted", digest=_digest(data)
        )
    return _certificate(data, 0, "DER")


def _digest(secret: bytes) -> Digest:
    return Digest(hashlib.sha256(secret).hexdigest())
