"""Users of web pages and of vendors' own services, where a configuration file names one with a clear-text password.

Only plain configuration is read (`key=value`, `key: value`, XML elements, UCI options, .htpasswd), never code; a
password that is a variable, a placeholder or a hash is none.
"""

import bisect
import re
from collections.abc import Iterator
from typing import Final

from customhouse.model import Account, FileKind

from .files import Files

_NOT_CONFIGURATION: Final = re.compile(
    r"\.(?:js|html?|css|lua|php|asp|cgi|sh|py|pl|md|po|pot|lng|lang|control|list|postinst|prerm|htm|svg|xsl|c|h)$"
    r"|^/(?:www|usr/lib/lua|usr/share/(?:doc|locale|man)|usr/lib/opkg|lib/netifd|proc|sys)/|/i18n/|/lang"
)
_PAIR: Final = re.compile(
    r"""(?mix)^[ \t]*(?:
        option[ \t]+(?P<uci>[\w.-]+)[ \t]+['"]?(?P<uci_value>[^'"\r\n]*)['"]?[ \t]*\r?$
      | <(?P<tag>[\w.:-]+)[ \t]+value="(?P<tag_value>[^"<>\r\n]*)"[ \t]*/?>
      | <(?P<xml>[\w.:-]+)(?:[ ][^<>]*)?>(?P<xml_value>[^<>\r\n]*)</(?P=xml)>
      | ["']?(?P<key>[\w.-]+)["']?[ \t]*[=:][ \t]*["']?(?P<value>[^"',;\r\n]*)["']?[ \t]*[,;]?[ \t]*\r?$
    )"""
)
_PASSWORD_KEY: Final = re.compile(
    r"(?i)(?:^|[_.-])(?:login|admin|user|http|web|root|telnet|ftp|guest|super|sys|rtsp|onvif)?_?(?:password|passwd|passwort|pwd|pass)\d?$"
)
_USER_KEY: Final = re.compile(
    r"(?i)(?:^|[_.-])(?:login|admin|http|web|telnet|ftp|guest|super|sys|root|rtsp|onvif)?_?(?:user_?name|user|login|username|loginname|account)\d?$"
)
_FOREIGN_KEY: Final = re.compile(
    r"(?i)pppoe|ppp|wan|ddns|wifi|wlan|wpa|psk|smtp|mail|mqtt|vpn|l2tp|pptp|snmp|proxy|dyndns|ssid|3g|apn|remote|server"
)
_NO_PASSWORD: Final = re.compile(
    r"(?i)^(?:$|\$|%|<|\{|\*+$|x{3,}$|your|my_?pass|password_?here|changeme$|none$|null|\(null\)|true|false|yes|no|on|off|\d$|/|@|string|text|required|sufficient|optional|include|enabled?|disabled?)"
)
_ATTRIBUTES: Final = re.compile(
    r"""(?i)\b(?:user_?name|user|login|name)="(?P<user>[A-Za-z_][\w.@-]{0,31})"[^<>\n]{0,120}?\s(?:user)?(?:password|passwd|pwd)="(?P<password>[^"\s<>]{1,32})\""""
)
_HASHED: Final = re.compile(r"^(?:[0-9a-fA-F]{16}){1,}$|^\$")
_NEAR: Final = 6  # lines between a name and its password
_MOST: Final = 60
_LONGEST: Final = 32
_VALUES: Final = ("uci_value", "tag_value", "xml_value", "value")


def configured_users(files: Files) -> list[Account]:
    """Accounts with `hash_kind` clear-text: a login of the device's own services, not of the system."""
    found: dict[tuple[str, str, str], Account] = {}
    for path, node in sorted(files.nodes.items()):
        facts = files.facts.get(node.digest) if node.digest is not None else None
        if facts is None or facts.text is None or facts.kind is not FileKind.TEXT or _NOT_CONFIGURATION.search(path):
            continue
        for user, password, offset, line in _pairs(facts.text.text):
            key = (user, password, path)
            if key not in found and len(found) < _MOST:
                found[key] = Account(
                    user=user,
                    hash_kind="clear-text",
                    password=password,
                    evidence=(files.evidence(path, line, offset),),
                )
    return list(found.values())


def _pairs(text: str) -> Iterator[tuple[str, str, int, str]]:
    """(user, password, offset, line), each pair once, where a name and a password stand near each other."""
    seen: set[tuple[str, str]] = set()
    for user, password, at, line in (*_in_attributes(text), *_in_lines(text)):
        if (user, password) not in seen and len(seen) < _MOST:
            seen.add((user, password))
            yield user, password, len(text[:at].encode("utf-8", "replace")), line


def _in_attributes(text: str) -> Iterator[tuple[str, str, int, str]]:
    for match in _ATTRIBUTES.finditer(text):
        user, password = match.group("user"), match.group("password")
        if not _NO_PASSWORD.match(password) and not _HASHED.match(password):
            yield user, password, match.start(), match.group()


def _in_lines(text: str) -> Iterator[tuple[str, str, int, str]]:
    names: list[tuple[int, str]] = []
    waiting: list[tuple[int, str, int, str]] = []
    row = last = 0
    for match in _PAIR.finditer(text):
        row, last = row + text.count("\n", last, match.start()), match.start()
        key = match.group("uci") or match.group("tag") or match.group("xml") or match.group("key") or ""
        value = next((v for v in map(match.group, _VALUES) if v), "").strip()
        if not value or len(value) > _LONGEST or _FOREIGN_KEY.search(key):
            continue
        if _PASSWORD_KEY.search(key) and not _NO_PASSWORD.match(value) and " " not in value:
            waiting.append((row, value, match.start(), match.group().strip()))
        elif _USER_KEY.search(key) and re.fullmatch(r"[A-Za-z_][\w.@-]{0,31}", value):
            names.append((row, value))
    for row, password, at, line in waiting:
        near = names[max(0, bisect.bisect(names, (row, "")) - 1) :][:2]  # the last name before it and the first after
        user = min(near, key=lambda name: abs(name[0] - row), default=None)
        if user is not None and abs(user[0] - row) <= _NEAR:
            yield user[1], password, at, line
