"""Web handlers in which a request parameter reaches a command: Lua, PHP and shell scripts."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from customhouse.model import Confidence, FileFacts, FileKind, Flow, Service

from . import web_shell, web_taint
from .files import Files
from .web_taint import Reached

LANGUAGES: Final = ("lua", "php", "sh")
"""Values of `Flow.architecture` for handlers that are scripts."""
_LUA_SIGN: Final = re.compile(r"formvalue|http\.content|get_uri_args|get_post_args|cgilua|QUERY_STRING|PATH_INFO")
_PHP_SIGN: Final = re.compile(r"\$_(?:GET|POST|REQUEST|COOKIE|FILES|SERVER)\b|getenv|php://input")
_SHELL_SIGN: Final = re.compile(
    r"QUERY_STRING|REQUEST_URI|PATH_INFO|CONTENT_LENGTH|HTTP_\w+|FORM_\w+|\b(?:GET|POST)_\w+"
)
_SHELLS: Final = frozenset({"sh", "ash", "bash", "dash", "haserl"})
_EXCERPT: Final = 160


def web_handlers(files: Files, services: Sequence[Service]) -> tuple[Flow, ...]:
    """One flow for each place where a request's value becomes (part of) a command."""
    servers = [service for service in services if service.kind == "http" and service.at_boot]
    flows: list[Flow] = []
    seen: set[str] = set()
    for path, node in sorted(files.nodes.items()):
        facts = files.facts.get(node.digest) if node.digest is not None else None
        if facts is None or facts.text is None or facts.digest in seen:
            continue
        language = language_of(path, facts)
        if language:
            seen.add(facts.digest)
            flows.extend(_flows(files, path, facts.text.text, language, servers))
    return tuple(flows)


def language_of(path: str, facts: FileFacts) -> str:
    """`lua`, `php`, `sh`, or nothing for a file that takes no request."""
    if facts.text is None:
        return ""
    text, program = facts.text.text, facts.text.interpreter
    if (
        path.endswith((".lua", ".lp")) or program.startswith("lua") or "/luasrc/" in path or "/luci/" in path
    ) and _LUA_SIGN.search(text):
        return "lua"
    if (
        "<?" in text and (path.endswith((".php", ".php3", ".inc", ".phtml")) or program.startswith("php"))
    ) and _PHP_SIGN.search(text):
        return "php"
    if (program in _SHELLS or (facts.kind is FileKind.SCRIPT and not program)) and _SHELL_SIGN.search(text):
        return "sh"
    return ""


def _flows(files: Files, path: str, text: str, language: str, servers: Sequence[Service]) -> Iterator[Flow]:
    found = web_shell.reached(text) if language == "sh" else web_taint.reached(text, language)
    for one in found:
        at, line = _place(text, one, in_bytes=language == "sh")
        server = servers[0] if servers else None
        yield Flow(
            program=path,
            architecture=language,
            source=one.source,
            sink=one.sink,
            kind="command",
            protocol="http",
            command=line,
            started_by=(*server.started_by, server.program) if server is not None else (),
            at_boot=server is not None,
            user=server.user if server is not None else "",
            confidence=Confidence.MEDIUM if language == "sh" and not _is_cgi(path) else Confidence.HIGH,
            evidence=(files.evidence(path, line, at),),
        )


def _is_cgi(path: str) -> bool:
    return bool(re.search(r"/(?:cgi-bin|www|web|htdocs|webroot)/|\.cgi$", path))


def _place(text: str, one: Reached, *, in_bytes: bool) -> tuple[int, str]:
    """(offset in bytes, the line)."""
    if in_bytes:
        raw = text.encode("utf-8", "surrogateescape")
        line = raw[one.offset : one.offset + _EXCERPT].decode("utf-8", "replace").split("\n", 1)[0]
        return one.offset, line.strip()
    line = text[text.rfind("\n", 0, one.offset) + 1 :].split("\n", 1)[0].strip()[:_EXCERPT]
    return len(text[: one.offset].encode("utf-8", "surrogateescape")), line
