"""Messages to begin with: common forms, filled with the words that a packet must have."""

from collections.abc import Iterator
from itertools import combinations, product

from .forms import NAMES
from .genomes import Genome

_METHODS = frozenset(b"GET POST PUT DELETE OPTIONS NOTIFY SUBSCRIBE M-SEARCH INVITE REGISTER MESSAGE DESCRIBE".split())
_GENERIC = (
    b"kwmqz\n",
    b"kwmqz jxvbp\n",
    b"GET /kwmqz?jxvbp=ghtfd HTTP/1.1\r\nHost: wm.kz.org\r\n\r\n",
    b"POST /kwmqz HTTP/1.1\r\nHost: wm.kz.org\r\nContent-Length: 11\r\n\r\njxvbp=ghtfd",
    b'{"kwmqz":"jxvbp"}\n',
    b"<kwmqz>jxvbp</kwmqz>\n",
    b"kwmqz=jxvbp&ghtfd=ylcrn",
    bytes(range(1, 49)),
)
_MOST_WORDS, _PAIRED = 6, 4
_BETWEEN, _BEHIND = (b" ", b" {} ", b"\n", b"={}\n"), (b" {}", b"={}", b"")
"""What stands between two words, and behind both."""


def seeds(words: list[bytes], cgi: bool) -> Iterator[Genome]:
    """Messages with the words, then those of general forms."""
    words = [one.strip() for one in words if one.strip()][:_MOST_WORDS]
    for one in dict.fromkeys((*_filled(words, cgi), *_GENERIC)):
        yield Genome((one,), cgi=cgi)


def _filled(words: list[bytes], cgi: bool) -> Iterator[bytes]:
    if not words:
        return
    method = next((one for one in words if one.split()[0] in _METHODS), b"")
    path = next((one for one in words if one.startswith(b"/")), b"")
    heads = [one for one in words if one.endswith(b":") and b'"' not in one]
    rest = [one for one in words if one not in (method, path, *heads)]
    if not cgi and not method:
        yield from _lines(words)
    if any(one.lower().startswith(b"soapaction") for one in heads) and rest:
        yield _soap(path, rest)
    bodies = list(dict.fromkeys(_bodies(rest)))
    yield from bodies
    for one in _paths(path, rest) if not cgi else ():
        for body in bodies or [b"jxvbp=ghtfd"]:
            yield from _requests(method, one, heads, body)


def _paths(path: bytes, words: list[bytes]) -> list[bytes]:
    """The path of an address, and where it is the beginning of one, with the words that may go on with it."""
    return [path, *(path + one for one in words[:2] if path.endswith(b"/") and one.isalnum())]


def _requests(method: bytes, path: bytes, heads: list[bytes], body: bytes) -> Iterator[bytes]:
    """HTTP and its like, with the body as such and, where it fits, in the address."""
    first, *more = method.split() or [b""]
    path = path or (more[0] if more else b"/")
    lines = b"".join(b"\r\n" + one + b" jxvbp" for one in heads if one.lower() != b"content-length:")
    if b"=" in body and b"\n" not in body and b"<" not in body and b'"' not in body:
        yield (first or b"GET") + b" " + path + b"?" + body + b" HTTP/1.1\r\nHost: wm.kz.org" + lines + b"\r\n\r\n"
    size = str(len(body)).encode()
    head = (first or b"POST") + b" " + path + b" HTTP/1.1\r\nHost: wm.kz.org" + lines
    yield head + b"\r\nContent-Length: " + size + b"\r\n\r\n" + body


def _soap(path: bytes, words: list[bytes]) -> bytes:
    """A call over SOAP (UPnP, TR-064): the first word is the action, the others are its arguments."""
    action, *names = [one.strip(b"\"'<>/:= #") or one for one in words]
    service = b"urn:schemas-upnp-org:service:kwmqz:1"
    fields = b"".join(b"<" + one + b">" + NAMES[index] + b"</" + one + b">" for index, one in enumerate(names))
    call = b"<u:" + action + b' xmlns:u="' + service + b'">' + fields + b"</u:" + action + b">"
    body = b"<s:Envelope><s:Body>" + call + b"</s:Body></s:Envelope>"
    head = b"POST " + (path or b"/") + b' HTTP/1.1\r\nSOAPAction: "' + service + b"#" + action + b'"\r\n'
    return head + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body


def _lines(words: list[bytes]) -> Iterator[bytes]:
    """Words on lines, alone or with values."""
    gaps = (b" ", b"", b"\n", b" {} ", b"{}", b" {}\n", b"={}&", b"={} ", b":{}\n", b",{},", b'"{}",')
    for gap in gaps:
        yield _joined(words, [gap] * len(words)) + b"\n"
    for pair in combinations(words[:_PAIRED], 2) if len(words) > 1 else ():
        for chosen in product(_BETWEEN, _BEHIND):
            yield _joined(list(pair), list(chosen)) + b"\n"


def _joined(words: list[bytes], gaps: list[bytes]) -> bytes:
    out = b""
    for index, (word, gap) in enumerate(zip(words, gaps, strict=True)):
        out += word + gap.replace(b"{}", NAMES[index])
    return out.rstrip(b"\n")


def _bodies(words: list[bytes]) -> Iterator[bytes]:
    """Fields with the words as names, or as the values of those before them."""
    if not words:
        return
    plain = [one.strip(b"\"'<>/:= ") or one for one in words]
    for values in product((False, True), repeat=len(plain) - 1):
        fields = _fields(plain, (False, *values))
        yield b"&".join(name + b"=" + value for name, value in fields)
        yield b"{" + b",".join(b'"' + name + b'":"' + value + b'"' for name, value in fields) + b"}"
    yield _nested(plain)
    yield b"".join(b"<" + one + b">" + NAMES[index] + b"</" + one + b">" for index, one in enumerate(plain))
    yield b"".join(b"<" + one + b">" for one in plain) + NAMES[0] + b"".join(b"</" + one + b">" for one in plain[::-1])
    yield b"\n".join(one + b"=" + NAMES[index] for index, one in enumerate(plain)) + b"\n"
    yield b"".join(one + NAMES[index] for index, one in enumerate(words))


def _nested(words: list[bytes]) -> bytes:
    head = b"".join(b'{"' + one + b'":' for one in words)
    return head + b'"' + NAMES[0] + b'"' + b"}" * len(words)


def _fields(words: list[bytes], are_values: tuple[bool, ...]) -> list[tuple[bytes, bytes]]:
    """Names and values; a word that is no value is a name."""
    out: list[tuple[bytes, bytes]] = []
    for index, (word, is_value) in enumerate(zip(words, are_values, strict=True)):
        if is_value and out and out[-1][1] in NAMES:
            out[-1] = (out[-1][0], word)
        else:
            out.append((word, NAMES[index]))
    return out
