"""Fetching a feed's file: from a web address or a folder, resumed where it was cut, checked for size.

A download lives beside the store as `NAME.part` with a note of what it is a part of (ETag or date); it is resumed by
a range request that only holds when the file has not changed since. Proxies are those of the environment.
"""

import http.client
import json
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from customhouse.model import Model

from .errors import FeedError

BLOCK = 1 << 20
MOST_BYTES = 4 << 30
ATTEMPTS = 3


class Fetched(Model, frozen=True, kw_only=True):
    """A complete file. `tag` recognises the same version again (ETag, Last-Modified, or time and size in a folder)."""

    path: str
    tag: str


def fetch(
    where: str,
    folder: Path,
    known_tag: str = "",
    attempts: int = ATTEMPTS,
    advance: Callable[[int], None] = lambda count: None,
) -> Fetched | None:
    """Bring `where` (a URL or a path) into `folder`; None when it is still the version that `known_tag` names.

    Raises FeedError when it cannot be had; a part that did arrive stays and is resumed by the next call.
    """
    if "://" not in where:
        return _copied(Path(where), folder, known_tag)
    if urllib.parse.urlsplit(where).scheme not in ("http", "https"):
        raise FeedError(f"{where}: feeds come over http or https, or from a folder")
    part = folder / (_file_name(where) + ".part")
    for attempt in range(attempts):
        try:
            return _downloaded(where, part, known_tag, advance)
        except (http.client.IncompleteRead, ConnectionError, TimeoutError, _Cut) as error:
            if attempt + 1 == attempts:
                size = part.stat().st_size if part.exists() else 0
                raise FeedError(
                    f"{where}: cut after {size} bytes ({type(error).__name__})",
                    hint="run it again; it goes on from there",
                ) from None
            time.sleep(0.2 * (attempt + 1))
        except urllib.error.HTTPError as error:
            raise FeedError(f"{where}: the server answers {error.code} {error.reason}") from None
        except urllib.error.URLError as error:
            raise FeedError(
                f"{where}: {error.reason}", hint="behind a proxy set https_proxy; without a network use --base FOLDER"
            ) from None
        except OSError as error:
            raise FeedError(f"{part}: {error.strerror}", hint="free space; the store is the old one") from None
    raise FeedError(f"{where}: not fetched")


class _Cut(Exception):
    """Fewer bytes came than were announced."""


def _copied(source: Path, folder: Path, known_tag: str) -> Fetched | None:
    try:
        state = source.stat()
        tag = f"{state.st_mtime_ns}-{state.st_size}"
        if tag == known_tag:
            return None
        target = folder / _file_name(str(source))
        shutil.copyfile(source, target)
        return Fetched(path=str(target), tag=tag)
    except OSError as error:
        raise FeedError(f"{source}: {error.strerror}") from None


def _file_name(where: str) -> str:
    path = urllib.parse.urlsplit(where).path if "://" in where else where
    return "-".join(piece for piece in path.split("/")[-2:] if piece)


def _downloaded(where: str, part: Path, known_tag: str, advance: Callable[[int], None]) -> Fetched | None:
    note = part.with_suffix(".note")
    begun = _note(note, where) if part.exists() else ""
    have = part.stat().st_size if begun else 0
    request = urllib.request.Request(where, headers={"User-Agent": "customhouse"})  # noqa: S310 - scheme checked above
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", begun)
    elif known_tag:
        request.add_header("If-None-Match" if known_tag.startswith(('"', "W/")) else "If-Modified-Since", known_tag)
    try:
        response = urllib.request.urlopen(request, timeout=60)  # noqa: S310 - scheme checked above
    except urllib.error.HTTPError as error:
        if error.code == 304:
            return None
        if error.code == 416:  # the part is no part of what is there now
            part.unlink(missing_ok=True)
            raise _Cut from None
        raise
    with response:
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        resumed = response.status == 206
        expected = _expected(response, have if resumed else 0)
        if expected > MOST_BYTES:
            raise FeedError(f"{where}: {expected} bytes is more than any feed has")
        note.write_text(json.dumps([where, tag]), encoding="utf-8")
        with part.open("ab" if resumed else "wb") as out:
            for block in _blocks(response):
                out.write(block)
                advance(len(block))
                if out.tell() > MOST_BYTES:
                    raise FeedError(f"{where}: more than {MOST_BYTES} bytes")
            size = out.tell()
    if expected and size != expected:
        raise _Cut
    whole = part.with_suffix("")
    part.replace(whole)
    note.unlink(missing_ok=True)
    return Fetched(path=str(whole), tag=tag)


def _expected(response: http.client.HTTPResponse, have: int) -> int:
    length = response.headers.get("Content-Length", "")
    return have + int(length) if length.isdigit() else 0


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while block := response.read(BLOCK):
        yield block


def _note(path: Path, where: str) -> str:
    """The tag of the version that a part belongs to; empty when it cannot be resumed."""
    with suppress(OSError, ValueError):
        noted = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(noted, list) and len(noted) == 2 and noted[0] == where:
            return str(noted[1])
    return ""
