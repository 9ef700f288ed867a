"""Where bytes come from: which calls of a program bring in what someone outside sent."""

from functools import cached_property

from .prefilter import MEMORY, inherits
from .resolve import Origin
from .state import Content
from .tables import table
from .terms import RESULT, UNKNOWN
from .whole import Whole

_NAMES = table("libc.toml")["names"]
_NETWORK = frozenset(_NAMES["network"])
_CONNECTIONS = frozenset(_NAMES["connections"])
_GETTERS = frozenset(_NAMES["getters"])
_CGI = frozenset(_NAMES["cgi"])
SOCKETS = frozenset(("accept", "accept4", "socket", "SSL_new", "SSL_accept", "wolfSSL_new"))
_LOCAL = frozenset(
    (
        "open",
        "open64",
        "fopen",
        "fopen64",
        "popen",
        "pipe",
        "tmpfile",
        "opendir",
        "signalfd",
        "inotify_init",
        "timerfd_create",
        "eventfd",
        "mq_open",
        "shm_open",
        "socketpair",
    )
)
CONNECTION = "connection"
"""The name of what comes through a socket that a shell reads itself."""
_QUEUES = frozenset(("mq_receive", "mq_timedreceive", "msgrcv"))
"""Messages of other processes of the device."""
_READERS = frozenset(
    name
    for name, model in table("libc.toml")["models"].items()
    if str(model[0]).startswith("receive") or model[0] == "scan_stream"
) | {"fgetc", "getc", "_IO_getc", "getc_unlocked", "getchar"}
_DESCRIPTORS = frozenset(("read", "__read_chk", "pread", "readv", "mq_receive"))
"""Readers of descriptors; the others read streams, and those are files unless one was made of a descriptor."""


class Heard:
    """Tells what comes from outside from what is the device's own."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        self.terms = whole.terms
        self.store = whole.store
        imported = set(whole.image.import_address)
        self.serves = (
            bool(imported & {"accept", "accept4", "recvfrom", "recv", "recvmsg", "bind"}) or not whole.image.dynamic
        )
        self.network = _NETWORK if imported & _CONNECTIONS else _NETWORK - MEMORY
        self.streams = bool(imported & {"fdopen", "fopencookie"}) or not whole.image.dynamic
        """Whether a stream can be a socket."""
        self.is_cgi = self._is_cgi()
        self.inherits = inherits(whole.image)

    def _is_cgi(self) -> bool:
        return any(node[0] == RESULT and node[1] == "key" and node[2] in _CGI for node in self.terms.nodes)

    def source(self, origin: Origin) -> tuple[str, str] | None:
        """(name, confidence) when the origin is bytes from outside."""
        node = self.terms.nodes[origin.term]
        if node[0] != RESULT:
            return None
        _, _site, name, arguments = node
        if name in _GETTERS or (name in self.whole.extra and self.whole.extra[name][0] in ("outside", "given")):
            return name, "high"
        if name in ("getenv", "secure_getenv"):
            key = self.terms.nodes[arguments[0]][2]
            return (f"getenv({key})", "high") if key in _CGI or str(key).startswith("HTTP_") else None
        if not arguments and name not in self.network:
            return None
        kind = self.descriptor(arguments[0]) if arguments else "unknown"
        if name == CONNECTION:
            return (str(self.terms.nodes[arguments[0]][2]), "high")
        if name in _QUEUES or (kind == "unknown" and self.only_local_sockets):
            return None
        if name in self.network:
            return None if kind == "local" and self._only_local(arguments[0]) else (name, "high")
        if name not in _READERS:
            return None
        if kind == "network":
            return name, "high"
        if kind == "stdin":
            sure = "high" if self.is_cgi else "medium" if self.inherits else ""
            return (f"{name}(stdin)", sure) if sure else None
        if kind == "unknown" and self.serves and (self.streams or name in _DESCRIPTORS):
            return name, "medium"
        return None

    def is_result(self, term: int) -> bool:
        """Whether what a call received is, or can be, bytes from outside: a file of the device is not."""
        return self.is_text(Content(frozenset({("X", term, 0, 0, 0)}), "%s"))

    def is_text(self, text: Content) -> bool:
        """The same of a text."""
        return any(self.source(one) is not None for one in self.whole.store.origins(text))

    @cached_property
    def only_local_sockets(self) -> bool:
        """Whether every socket that the program makes is of a family that is no network."""
        made = [term for term, node in enumerate(self.terms.nodes) if node[0] == RESULT and node[2] == "socket"]
        return bool(made) and all(map(self._local_socket, made))

    def _only_local(self, descriptor: int) -> bool:
        """A socket of a family that is no network (AF_UNIX, AF_NETLINK, AF_PACKET is one)."""
        found = False
        for leaf in self.store.leaves(descriptor):
            node = self.terms.nodes[leaf]
            if node[2] in ("accept", "accept4") and node[3]:
                inner = self.store.leaves(node[3][0])
                if not inner or not all(self._local_socket(one) for one in inner):
                    return False
                found = True
            elif self._local_socket(leaf) or node[2] in _LOCAL:
                found = True
            else:
                return False
        return found

    def _local_socket(self, leaf: int) -> bool:
        node = self.terms.nodes[leaf]
        return node[2] == "socket" and bool(node[3]) and self.terms.value(node[3][0]) in (1, 16)

    def descriptor(self, term: int) -> str:
        """What a descriptor, or a stream, is: `network`, `local`, `stdin` or `unknown`."""
        names = {self.terms.nodes[leaf][2] for leaf in self.store.leaves(term)}
        if self.terms.nodes[term] == (UNKNOWN, "stdin"):
            return "stdin"
        if names & SOCKETS:
            return "local" if self._only_local(term) else "network"
        if "stdin" in names:
            return "stdin"
        if names & _LOCAL:
            return "local"
        if 0 in self.store.constants(term) and not names:
            return "stdin" if self.terms.value(term) == 0 else "unknown"
        return "unknown"
