"""Secrets in one content: keys, certificates, tokens of strict formats, Wi-Fi keys, credentials in URLs."""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final

import msgspec

from customhouse.model import Digest, FileKind, SecretHit

from ..extractor import Hit, Pattern
from . import pem

_TAG: Final = "token:"
_MOST: Final = 200


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of tokens.toml."""

    name: str
    trigger: str
    whole: str
    sample: str
    counter: str


def _read_tokens() -> tuple[Token, ...]:
    table = tomllib.loads(resources.files(__package__).joinpath("tokens.toml").read_text("utf-8"))
    return msgspec.convert(table["token"], tuple[Token, ...])


TOKENS: Final = _read_tokens()
_WHOLE: Final = {
    token.name: re.compile(rb"(?<![0-9A-Za-z_./+-])(?:" + token.whole.encode() + rb")(?![0-9A-Za-z_/+-])")
    for token in TOKENS
}
_WIFI: Final = re.compile(
    rb"""(?mx)^[ \t]*(?:
        psk[ \t]*=[ \t]*(?:"(?P<quoted>[\x20-\x7e]{8,63})"|(?P<hex>[0-9a-fA-F]{64})[ \t]*\r?$)
      | wpa_passphrase[ \t]*=[ \t]*(?P<hostapd>[\x21-\x7e][\x20-\x7e]{7,62}?)[ \t]*\r?$
      | option[ \t]+key[ \t]+['"]?(?P<uci>[\x21-\x7e]{8,63}?)['"]?[ \t]*\r?$
    )"""
)
_SSID: Final = re.compile(rb"""(?m)^[ \t]*(?:ssid[ \t]*=|option[ \t]+ssid[ \t])[ \t]*['"]?([^'"\r\n]{1,32})""")
_PLACEHOLDER: Final = re.compile(
    rb"(?i)^(?:your|my|the|some|<|\$|%|\{|x{4,}|\*{4,}|secret(?:\s|_)?pass"
    rb"|very secret|password here|changeme|test|example|passphrase$|psk$)"
)
_FETCH_LOGIN: Final = re.compile(
    rb"[ \t=]*[\"']?([A-Za-z][\w.@-]{0,40})(?::([^\s:'\"$%`\x00]{2,60})"
    rb"|[\"']?[ \t]+(?:-p[ \t]+|--(?:ftp-)?password=)[\"']?([^\s'\"$%`\x00]{2,60}))"
)
_URL_CREDENTIAL: Final = re.compile(
    rb"([a-z][a-z0-9+.-]{1,8})://([^\s:@/'\"<>%\x00]{1,40}):([^\s:@/'\"<>%$\x00]{2,60})@([A-Za-z0-9][A-Za-z0-9.-]{2,80})"
)

PATTERNS: Final = (
    *pem.PATTERNS,
    *(Pattern(expression=token.trigger.encode(), tag=_TAG + token.name) for token in TOKENS),
    Pattern(
        expression=rb"(?:ftpput|ftpget|curl|wget)[ \t][^\n\x00]{0,160}(?:-u[ \t]|--user[= ]|--ftp-user=)",
        tag="fetch-login",
    ),
    Pattern(expression=rb"://[^\s:@/'\"<>%\x00]{1,40}:[^\s:@/'\"<>%\x00]{2,60}@", tag="url-credential"),
)


def read(data: bytes, hits: Sequence[Hit], kind: FileKind) -> tuple[SecretHit, ...]:
    """All secrets, by offset."""
    found = {(hit.kind, hit.offset): hit for hit in pem.read(data, hits)}
    for secret in (*_tokens(data, hits), *_url_credentials(data, hits), *_fetch_logins(data, hits), *_wifi(data, kind)):
        found.setdefault((secret.kind, secret.offset), secret)
    return tuple(found[key] for key in sorted(found, key=lambda key: (key[1], key[0]))[:_MOST])


def shown(secret: bytes) -> str:
    """Enough of a secret to recognise it by."""
    text = secret.decode("utf-8", "replace")
    return text[:4] + "…" if len(text) > 8 else text[:1] + "…"


def _digest(secret: bytes) -> Digest:
    return Digest(hashlib.sha256(secret).hexdigest())


def _tokens(data: bytes, hits: Sequence[Hit]) -> Iterator[SecretHit]:
    for hit in hits:
        if not hit.tag.startswith(_TAG):
            continue
        name = hit.tag.removeprefix(_TAG)
        for match in _WHOLE[name].finditer(data, max(0, hit.end - 120), hit.end + 2000):
            if match.start() < hit.end <= match.end():
                yield SecretHit(
                    kind="token" if "token" in name else "api-key",
                    offset=match.start(),
                    excerpt=shown(match.group()),
                    subject=name,
                    digest=_digest(match.group()),
                )


def _url_credentials(data: bytes, hits: Sequence[Hit]) -> Iterator[SecretHit]:
    for hit in hits:
        if hit.tag != "url-credential":
            continue
        for match in _URL_CREDENTIAL.finditer(data, max(0, hit.end - 130), hit.end + 100):
            if match.start() < hit.end <= match.end():
                scheme, user, password, host = match.groups()
                if (
                    _PLACEHOLDER.match(password)
                    or user.lower() in (b"user", b"username", b"login")
                    or password.lower().startswith(b"pass")
                ):
                    continue
                yield SecretHit(
                    kind="password",
                    offset=match.start(),
                    excerpt=f"{scheme.decode()}://{user.decode('utf-8', 'replace')}:{shown(password)}@{host.decode()}",
                    subject=f"{user.decode('utf-8', 'replace')} at {host.decode()}",
                    digest=_digest(password),
                )


def _fetch_logins(data: bytes, hits: Sequence[Hit]) -> Iterator[SecretHit]:
    """`ftpput -u name -p password host`, `curl -u name:password`, `wget --user=name --password=word`."""
    for hit in hits:
        match = _FETCH_LOGIN.match(data, hit.end) if hit.tag == "fetch-login" else None
        if match is None:
            continue
        user, password = match.group(1), match.group(2) or match.group(3)
        if _PLACEHOLDER.match(password) or password.lower().startswith(b"pass"):
            continue
        name = user.decode("utf-8", "replace")
        yield SecretHit(
            kind="password",
            offset=match.start(1),
            excerpt=f"{name}:{shown(password)}",
            subject=f"{name}, on a command line that fetches or sends files",
            digest=_digest(password),
        )


def _wifi(data: bytes, kind: FileKind) -> Iterator[SecretHit]:
    """Keys of networks in wpa_supplicant, hostapd and UCI configuration; comments and placeholders are none."""
    if kind not in (FileKind.TEXT, FileKind.SCRIPT) or len(data) > 1 << 20:
        return
    names = [(match.start(), match.group(1)) for match in _SSID.finditer(data)]
    for match in _WIFI.finditer(data):
        secret = next(group for group in match.groups() if group is not None)
        if _PLACEHOLDER.match(secret) or secret.startswith(b"/"):
            continue
        if match.group("uci") is not None and b"wifi-iface" not in data[max(0, match.start() - 600) : match.start()]:
            continue  # other sections have options named key as well
        near = min(names, key=lambda named: abs(named[0] - match.start()), default=(0, b""))[1]
        yield SecretHit(
            kind="wifi-key",
            offset=match.start(),
            excerpt=shown(secret),
            subject=near.decode("utf-8", "replace").strip(),
            digest=_digest(secret),
        )
