"""Secrets of the device and who uses them: a key that a web server loads is not the same as a forgotten example."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from customhouse.model import FileFacts, FileKind, Secret, SecretHit, Service

from .files import Files

_NVS_KEY: Final = re.compile(
    r"^@.*nvs.*/(?:sta\.pswd|ap\.passwd|ap\.pswd|wifi_?pass(?:word|wd)?|(?:wifi_?)?psk)$", re.IGNORECASE
)
_TRUST_STORE: Final = (
    8  # certificates in one file from which on it is a list of authorities, not a certificate of the device
)
_PLACES_MOST: Final = 6
_USERS_MOST: Final = 12
_KEY_NAME: Final = re.compile(r"(?i)\.(?:pem|key|crt|cer|cert|der|p12|pfx|pub)$|_key$|hostkey|privkey|id_[rd]sa")


def secrets(files: Files, services: Sequence[Service]) -> tuple[Secret, ...]:
    """Each secret once, with every place where it stands."""
    users = _Users(files, services)
    merged: dict[tuple[str, str], list[tuple[str, SecretHit]]] = {}
    for path, facts in _contents(files):
        assert facts.content is not None
        hits = facts.content.secrets
        certificates = sum(hit.kind == "certificate" for hit in hits)
        for hit in hits:
            if hit.kind == "certificate" and certificates >= _TRUST_STORE:
                continue
            merged.setdefault((hit.kind, hit.digest or f"{path}:{hit.offset}"), []).append((path, hit))
    made = [*(_secret(files, users, places) for places in merged.values()), *_stored_settings(files)]
    return tuple(sorted(made, key=lambda s: (s.kind, s.evidence[0].path, s.evidence[0].offset or 0)))


def _secret(files: Files, users: "_Users", places: list[tuple[str, SecretHit]]) -> Secret:
    first = places[0][1]
    used: dict[str, None] = {}
    for path, _ in places:
        used.update(dict.fromkeys(users.of(path)))
    return Secret(
        kind=first.kind,
        subject=first.subject,
        used_by=tuple(used)[:_USERS_MOST],
        detail=first.detail,
        digest=first.digest,
        evidence=tuple(files.evidence(path, hit.excerpt, hit.offset) for path, hit in places[:_PLACES_MOST]),
    )


def _stored_settings(files: Files) -> Iterator[Secret]:
    """Wi-Fi keys in an ESP32's settings partition, of which the unpacker makes a file for each value.

    Source of the names: ESP-IDF's Wi-Fi driver keeps them in the namespace `nvs.net80211`.
    """
    for path, node in sorted(files.nodes.items()):
        facts = files.facts.get(node.digest) if node.digest is not None and _NVS_KEY.search(path) else None
        if facts is not None and facts.entropy:  # all zeros: never set
            yield Secret(
                kind="wifi-key",
                subject=path.rpartition("/")[2],
                detail="in the settings partition",
                digest=facts.digest,
                evidence=(files.evidence(path),),
            )


def _contents(files: Files) -> Iterator[tuple[str, FileFacts]]:
    """(path, facts) of files with secrets, by path; a content under several names comes under each."""
    for path, node in sorted(files.nodes.items()):
        facts = files.facts.get(node.digest) if node.digest is not None else None
        if facts is not None and facts.content is not None and facts.content.secrets:
            yield path, facts


class _Users:
    """Who names a path: texts, programs among their strings, services in their arguments."""

    def __init__(self, files: Files, services: Sequence[Service]) -> None:
        self._files, self._services = files, services
        self._texts: dict[str, str] | None = None
        self._programs: Mapping[str, tuple[str, ...]] = {}

    def of(self, path: str) -> list[str]:
        """Paths of users. A program that holds the secret itself uses it."""
        facts = self._files.facts_of(path)
        if facts is not None and facts.kind is FileKind.ELF:
            return [path]
        if self._texts is None:
            self._texts, self._programs = self._index()
        name = path.rpartition("/")[2]
        plain = path.partition("/")[2] if path.startswith("@") else path.lstrip("/")
        by_service = [
            s.program for s in self._services if any(argument.endswith("/" + plain) for argument in s.arguments)
        ]
        by_text = [where for where, text in self._texts.items() if where != path and _names(text, plain, name)]
        by_program = [
            where
            for where, paths in self._programs.items()
            if where != path and any(named.endswith("/" + plain) or _distinct(named, name) for named in paths)
        ]
        return list(dict.fromkeys((*by_service, *by_program, *by_text)))

    def _index(self) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
        texts: dict[str, str] = {}
        programs: dict[str, tuple[str, ...]] = {}
        for path, node in sorted(self._files.nodes.items()):
            facts = self._files.facts.get(node.digest) if node.digest is not None else None
            if facts is None or "/usr/lib/opkg/" in path:
                continue
            if facts.text is not None and facts.kind is not FileKind.PEM:
                texts[path] = facts.text.text
            if facts.content is not None and facts.content.paths:
                programs[path] = facts.content.paths
        return texts, programs


def _names(text: str, plain: str, name: str) -> bool:
    return ("/" + plain) in text or (bool(_KEY_NAME.search(name)) and len(name) > 7 and f"/{name}" in text)


def _distinct(named: str, name: str) -> bool:
    """A program's path with the same file name, where the name is telling: keys are copied to /tmp before use."""
    return len(name) > 7 and bool(_KEY_NAME.search(name)) and named.rpartition("/")[2] == name
