"""Who can log in: passwd and shadow wherever they stand, hashes in scripts and programs, users in configuration."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from customhouse.host.context import Context
from customhouse.model import Account, Digest, Evidence, FileKind, NotExamined, Service

from .configured_users import configured_users
from .crypt_hash import kind_of
from .files import Files
from .login import accepting_services
from .password_recovery import Recovered, candidates, recover

_PASSWD_NAME: Final = re.compile(r"^passwd(?:[-._~]?(?:default|def|bak|backup|orig|old|tmp|init|sample|ro)?)?$")
_FOR_WANT_OF: Final = re.compile(r"!\s*-[efrs]\s|-z\s|\|\|\s*$")
_TESTED: Final = re.compile(r"^\s*(?:if|elif|else|for|while|case|then|do)\b|\b(?:then|do|else)\s*$|&&\s*$")
_LIVE: Final = ("/etc/passwd", "/etc/shadow")
_LINE: Final = re.compile(r"^(?P<user>[A-Za-z_][\w.-]{0,31}\$?):(?P<rest>[^\n]*)$")
_WORDS_MOST: Final = 40_000
_COPIED_FILE: Final = re.compile(
    r"\bcp[ \t]+(?:-\w+[ \t]+)*(/[\w/.-]{1,80}?/(?:passwd|shadow)[\w.~-]{0,10})"
    r"[ \t]+/(?:etc|var|tmp)(?:/\S{0,40})?(?=\s|;|$)"
)
_COPIED: Final = re.compile(
    r"\bcp[ \t]+(?:-\w+[ \t]+)*(/[\w/.-]{1,80}?)/(?:\*|passwd\S{0,10}|\.)[ \t]+/(?:etc|var)/?\S{0,40}"
)
_CHPASSWD: Final = re.compile(
    r"""echo[ \t]+(?:-\w[ \t]+)?["']?(?P<user>[a-z_][\w-]{0,31}):(?P<password>[^\s"'|$`:]{1,64})["']?"""
    r"""[ \t]*\|[ \t]*(?:/\S{1,20}/)?chpasswd"""
    r"""|\([ \t]*echo[ \t]+["']?(?P<typed>[^\s"';$`]{1,64})["']?[ \t]*;[^()\n]{0,100}\)"""
    r"""[ \t]*\|[ \t]*passwd(?:[ \t]+(?P<account>\w+))?"""
)
_SELF_TEST: Final = re.compile(r"\$(?:abcd0123|abc0123456789|abcdefghijklmnopqrstuu[^$]*|saltstring)(?:\$|$)")
"""Salts of the hashes with which C libraries test their own crypt(3)."""


@dataclass(frozen=True)
class Entry:
    """One account as its files have it. `active` where the running system reads it."""

    user: str
    hashed: str
    uid: int | None = None
    shell: str = ""
    active: bool = True
    clear: str = ""
    """The password itself, where a script sets it or a service is given it."""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Accounts:
    """The answer, with what was left undone."""

    accounts: tuple[Account, ...]
    not_examined: tuple[NotExamined, ...] = ()


@dataclass
class _Folder:
    """passwd and shadow of one folder, joined."""

    path: str
    passwd: list[tuple[str, list[str], Evidence]] = field(default_factory=list)
    shadow: dict[str, tuple[str, Evidence]] = field(default_factory=dict)


def accounts(files: Files, services: Sequence[Service], context: Context | None = None) -> Accounts:
    """All accounts, those of the running system first. `services` decide which of them open a remote login."""
    entries = sorted(
        (*_entries(files), *_set_in_clear(files), *_given_to_services(services)),
        key=lambda e: (not e.active, e.user != "root", e.user, e.evidence[0].path),
    )
    words = candidates(_image_words(files), sorted({entry.user for entry in entries if entry.user}))
    hashes = sorted({entry.hashed for entry in entries if kind_of(entry.hashed) not in ("none", "locked", "unknown")})
    found = recover(hashes, words, context)
    root = next((e.user for e in entries if e.active and (e.uid == 0 or e.user == "root")), "root")
    made = [_account(e, found.get(e.hashed), files, services, only_root=e.user == root) for e in entries]
    made += configured_users(files)
    late = [hashed for hashed, result in found.items() if not result.complete]
    return Accounts(tuple(made), (*_unfinished(late), *_made_at_run_time(files, made)))


def _account(
    entry: Entry, found: Recovered | None, files: Files, services: Sequence[Service], *, only_root: bool
) -> Account:
    kind = "clear-text" if entry.clear else kind_of(entry.hashed)
    password = entry.clear or (found.password if found is not None else None)
    empty = kind == "none" or password == ""
    account = Account(
        user=entry.user,
        uid=entry.uid,
        shell=entry.shell,
        hash_kind=kind,
        password=password or None,
        empty=empty,
        evidence=entry.evidence,
    )
    if not entry.active:
        return account
    via = accepting_services(account, files, services, only_root=only_root)
    # Locked, and yet let in by a login that asks for nothing while no password is set: none is set.
    asked_for_nothing = empty or (kind == "locked" and any(service.opens_without_password for service in via))
    programs = tuple(sorted({service.program for service in via}))
    return msgspec.structs.replace(account, empty=asked_for_nothing, remote=bool(programs), via=programs)


def _unfinished(late: Iterable[str]) -> Iterator[NotExamined]:
    for hashed in late:
        yield NotExamined(
            what=f"password behind a {kind_of(hashed)} hash",
            outcome="skipped",
            why="the time budget ran out before all candidates were tried",
        )


def _made_at_run_time(files: Files, found: Sequence[Account]) -> Iterator[NotExamined]:
    """Where passwd is a link into a folder that the running device fills, and the image has no other one."""
    node = files.nodes.get("/etc/passwd")
    if node is None or not node.target or files.exists("/etc/passwd"):
        return
    if not any(account.hash_kind != "clear-text" for account in found):
        why = f"/etc/passwd is a link to {node.target}, which the running device makes; the image holds no account file"
        yield NotExamined(what="accounts of the system", outcome="unknown", why=why)


def _image_words(files: Files) -> Iterator[str]:
    """Words of all contents, each content's best first: round after round, so that no large file drowns the others."""
    lists = [
        facts.content.words
        for _, facts in sorted(files.facts.items())
        if facts.content is not None and facts.content.words
    ]
    seen: set[str] = set()
    for rank in range(max((len(words) for words in lists), default=0)):
        for words in lists:
            if rank < len(words) and words[rank] not in seen:
                seen.add(words[rank])
                yield words[rank]
                if len(seen) >= _WORDS_MOST:
                    return


def _set_in_clear(files: Files) -> Iterator[Entry]:
    """`echo root:secret | chpasswd` and `(echo secret; echo secret) | passwd root` in scripts."""
    for path, node in sorted(files.nodes.items()):
        facts = files.facts.get(node.digest) if node.digest is not None else None
        if facts is None or facts.text is None or facts.kind is not FileKind.SCRIPT or "passwd" not in facts.text.text:
            continue
        for match in _CHPASSWD.finditer(facts.text.text):
            user = match.group("user") or match.group("account") or "root"
            place = files.evidence(path, match.group(), match.start() if facts.text.text.isascii() else None)
            clear = match.group("password") or match.group("typed")
            yield Entry(user, "", 0 if user == "root" else None, clear=clear, evidence=(place,))


def _given_to_services(services: Sequence[Service]) -> Iterator[Entry]:
    """`telnetd -u name:password`: some makers' telnetd takes one account on its command line."""
    for service in services:
        if service.kind != "telnet" or not service.at_boot:
            continue
        for option, value in zip(service.arguments, service.arguments[1:], strict=False):
            user, colon, password = value.partition(":")
            if option == "-u" and colon and user and password and not re.search(r"[$`]", password):
                yield Entry(user, "", 0, clear=password, evidence=service.evidence)


def _entries(files: Files) -> Iterator[Entry]:
    folders = _folders(files)
    read = {real for path in _LIVE if (real := files.real(path)) is not None} | set(_LIVE)
    listed = [entry for folder in folders.values() for entry in _join(folder, read)]
    live = [entry for entry in listed if entry.active]
    copies = _copies(files) if live else {}
    listed = [e if e.active or not _places(e) & set(copies) else replace(e, active=True) for e in listed]
    always = {source for source, surely in copies.items() if surely}
    over = {entry.user for entry in listed if _places(entry) & always}
    listed = [replace(e, active=False) if e.user in over and not _places(e) & set(copies) else e for e in listed]
    if not live:  # /etc/passwd is made at boot from one of the others
        listed = [replace(entry, active=True) for entry in listed]
    yield from _duplicates_dropped(listed)
    known = {entry.hashed for entry in listed} | {h for f in folders.values() for h, _ in f.shadow.values()}
    yield from _loose_hashes(files, known)


def _places(entry: Entry) -> set[str]:
    """The file that the account stands in, and its folder."""
    path = entry.evidence[0].path
    return {path, path.rpartition("/")[0]}


def _copies(files: Files) -> dict[str, bool]:
    """Files (`cp /etc/passwd.bak /var/passwd`) and folders (`cp -rf /etc_ro/* /etc/`) that a script copies to where the
    system reads; true where it does so without asking anything. A copy for want of a passwd is none."""
    found: dict[str, bool] = {}
    for facts in files.facts.values():
        text = facts.text.text if facts.text is not None and facts.kind is FileKind.SCRIPT else ""
        if "cp " not in text:
            continue
        for match in (*_COPIED.finditer(text), *_COPIED_FILE.finditer(text)):
            line = text.rfind("\n", 0, match.start()) + 1
            before, own = text[: max(line - 1, 0)].rpartition("\n")[2], text[line : match.start()]
            if not _FOR_WANT_OF.search(f"{before}\n{own}"):
                source = match.group(1).rstrip("/")
                surely = not own.strip() and not _TESTED.search(before)
                found[source] = found.get(source, False) or surely
    return found


def _duplicates_dropped(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The same account in several files (passwd-, a default copied at boot) is one, with all its places."""
    merged: dict[tuple[str, str, bool], Entry] = {}
    for entry in entries:
        key = (entry.user, entry.hashed, entry.active)
        before = merged.get(key)
        if before is None:
            merged[key] = entry
        else:
            merged[key] = replace(before, evidence=(*before.evidence, *entry.evidence))
    active = {(user, hashed) for user, hashed, live in merged if live}
    for (user, hashed, live), entry in merged.items():
        if live or (user, hashed) not in active:
            yield entry


def _folders(files: Files) -> dict[str, _Folder]:
    folders: dict[str, _Folder] = {}
    for path, node in sorted(files.nodes.items()):
        folder, _, name = path.rpartition("/")
        if node.digest is None or not (
            _PASSWD_NAME.match(name) or _PASSWD_NAME.match(name.replace("shadow", "passwd"))
        ):
            continue
        facts = files.facts.get(node.digest)
        text = facts.text.text if facts is not None and facts.text is not None else ""
        joined = folders.setdefault(folder, _Folder(folder))
        _read_lines(files, path, text, joined, shadow=name.startswith("shadow"))
    return folders


def _read_lines(files: Files, path: str, text: str, folder: _Folder, *, shadow: bool) -> None:
    offset = 0
    for line in text.splitlines(keepends=True):
        match = _LINE.match(line.strip())
        fields = match.group("rest").split(":") if match else []
        if match and (len(fields) >= 5 if not shadow else len(fields) >= 1):
            evidence = files.evidence(path, line.strip(), offset)
            if shadow:
                folder.shadow.setdefault(match.group("user"), (fields[0], evidence))
            else:
                folder.passwd.append((match.group("user"), fields, evidence))
        offset += len(line.encode("utf-8", "replace"))


def _join(folder: _Folder, read: set[str]) -> Iterator[Entry]:
    """`read` are the files that the running system reads. A hash in passwd itself makes shadow's count for nothing."""
    for user, fields, evidence in folder.passwd:
        hashed = fields[0]
        places: tuple[Evidence, ...] = (evidence,)
        if hashed == "x" and user in folder.shadow:
            hashed, where = folder.shadow[user]
            places = (where, evidence)
        elif user in folder.shadow and folder.shadow[user][0] == hashed:
            places = (evidence, folder.shadow[user][1])
        uid = int(fields[1]) if fields[1].isdigit() else None
        yield Entry(user, hashed, uid, fields[-1].strip(), evidence.path in read, evidence=places)
    named = {user for user, _, _ in folder.passwd}
    for user, (hashed, evidence) in folder.shadow.items():
        if user not in named:
            yield Entry(user, hashed, 0 if user == "root" else None, "", evidence.path in read, evidence=(evidence,))


def _loose_hashes(files: Files, known: set[str]) -> Iterator[Entry]:
    """Hashes outside passwd and shadow. Where a script writes them there, they are the running system's."""
    by_digest: dict[Digest, list[str]] = {}
    for path, node in sorted(files.nodes.items()):
        if node.digest is not None:
            by_digest.setdefault(node.digest, []).append(path)
    seen: set[tuple[str, str]] = set()
    for digest, paths in by_digest.items():
        facts = files.facts.get(digest)
        if facts is None or facts.content is None:
            continue
        writes = facts.kind is FileKind.SCRIPT and facts.text is not None and "/etc/" in facts.text.text
        writes = writes and bool(
            re.search(r">>?[ \t]*/\S{0,40}etc/(?:passwd|shadow)", facts.text.text if facts.text else "")
        )
        for text, offset in facts.content.hashes:
            user, _, hashed = text.rpartition(":")
            if (
                hashed in known
                or (user, hashed) in seen
                or kind_of(hashed) in ("unknown", "none")
                or _SELF_TEST.search(hashed)
            ):
                continue
            seen.add((user, hashed))
            yield Entry(
                user,
                hashed,
                0 if user == "root" else None,
                "",
                writes,
                evidence=(files.evidence(paths[0], text, offset),),
            )
