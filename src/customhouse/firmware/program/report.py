"""Events to facts: flows, constructed commands, bound ports."""

import functools
from collections.abc import Iterable
from typing import Any

import msgspec

from customhouse.model import Confidence, ConstructedCommand, Flow, FlowStep, Outcome, ProgramFacts

from .filled import letters
from .heard import CONNECTION, SOCKETS, Heard
from .magic import Magics, Way
from .overflow import Overflows
from .ports import Ports
from .resolve import Origin
from .state import Content, Fact
from .summary import LOOP
from .tables import table
from .terms import RESULT, STACK
from .whole import Whole

CUT = "the time for this program ran out"
_NAMES = table("libc.toml")["names"]
_LOGINS = frozenset(_NAMES["logins"])
_RELAYS = frozenset(("write", "writev", "send"))


class Reporter:
    """Turns what a program's evaluation gathered into facts."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        self.terms = whole.terms
        self.store = whole.store
        self.ports = Ports(whole)
        self.heard = Heard(whole)
        self.magics = Magics(whole, self.heard.is_text)
        self.logs_in = bool(set(whole.image.import_address) & _LOGINS)
        """Whether the program asks for accounts by name: who knows the password of one is given a shell on purpose."""
        self.flows: dict[tuple[int, str], Flow] = {}
        self.rooms: dict[int, set[int | None]] = {}
        """What is known of the buffers that are overrun, by the place of the copy."""
        self._ways: dict[tuple[int, str], list[Way]] = {}
        """All that lead to a flow, of which the best one is told."""
        self.commands: dict[int, ConstructedCommand] = {}

    # -- flows
    def run(self) -> None:
        """Reads the events. What was read when this is stopped is kept: see `facts`."""
        sinks = self._sinks()
        for _, name, site, content, _facts, _chain, _extra in sinks:  # formats first: they cost nothing
            if site not in self.commands or len(content.template) > len(self.commands[site].format):
                self.commands[site] = ConstructedCommand(program="", sink=name, address=site, format=content.template)
        for event in sinks:
            self._command(event)
        self._overflows(self.flows)

    def name_words(self) -> None:
        """The words that a packet must have are looked for when all else is told: those of all ways to a flow, or of
        the one that is told.
        """
        for key, ways in self._ways.items():
            self.flows[key] = functools.reduce(
                lambda best, one: one if _better(one, best) else best, self.magics.named(ways)
            )

    def facts(self, why: str = "") -> ProgramFacts:
        """What was found so far, but for the bound ports; `why` it is not all."""
        why = why or (CUT if self.whole.cut else "")
        flows = [self._with_room(site, flow) for (site, _), flow in self.flows.items()]
        return ProgramFacts(
            flows=tuple(sorted(flows, key=lambda one: (one.confidence, one.sink, one.source))),
            constructed_commands=tuple(self.commands[site] for site in sorted(self.commands)),
            outcome=Outcome.PARTIAL if why else Outcome.DONE,
            why=why,
        )

    def _with_room(self, site: int, flow: Flow) -> Flow:
        rooms = self.rooms.get(site, set()) if flow.kind == "overflow" else set()
        return msgspec.structs.replace(flow, room=next(iter(rooms))) if len(rooms) == 1 else flow

    def _command(self, event: tuple[Any, ...]) -> None:
        _, name, site, content, facts, chain, _extra = event
        content = self._told(content)
        facts = facts | self.store.validity.passages.asked(chain[0][0])
        known = self.commands[site]
        if not known.inputs or len(content.template) > len(known.format):
            self.commands[site] = self._constructed(name, site, content, facts)
        origins = self.store.origins(content, facts)
        if self.store.lost or self._blurred(origins):
            return
        for origin in origins:
            if origin.clean:
                continue
            source = self.heard.source(origin)
            if source is None:
                continue
            flow = self._flow(name, site, content, chain, origin, source)
            key = (site, flow.source)
            self._ways.setdefault(key, []).append(Way(flow, facts, chain, content, origin.term))
            if key not in self.flows or _better(flow, self.flows[key]):
                self.flows[key] = flow

    def _blurred(self, origins: Iterable[Origin]) -> bool:
        """Bytes that "come from" a clock, a thread and a mapping alike come out of memory that we could not keep apart.

        Then nothing is known of where they really come from, and a guess would be a false alarm: the command stays in
        the list of constructed ones, with its inputs.
        """
        if len({one.term for one in origins}) > _MOST_ORIGINS:
            return True
        names = {self.terms.nodes[o.term][2] for o in origins if self.terms.nodes[o.term][0] == RESULT}
        return len([name for name in names if name in _NO_TEXT]) >= _BLURRED_FROM

    def _told(self, content: Content) -> Content:
        """A command whose format came from a table, with that format."""
        for dep in sorted(content.deps):
            if dep[0] == "V":
                texts = self.store.formats(dep)
                if texts:
                    return content._replace(template=content.template.replace("%s", max(texts, key=len), 1))
        return content

    def _one_buffer(self, target: int, size: int) -> bool:
        """Whether a text of any length (`size` -1) goes to one place of a frame, in a program that runs by itself. What
        an allocation grows to, what the callers of a library bring, and a length that is computed, is less sure.
        """
        places = self.store.points(target)
        image = self.whole.image
        runs = bool(image.interpreter) or not image.dynamic or not image.exports
        return (
            size == -1 and runs and all(self.terms.nodes[root][0] == STACK and not stride for root, _, stride in places)
        )

    def _overflows(self, flows: dict[tuple[int, str], Flow]) -> None:
        judge = Overflows(self.whole, self.heard.is_result)
        events = [event for event in self.whole.events if event[0] == "over"]
        events += [event for event in self.whole.uncalled() if event[0] == "over" and self.whole.is_given(event)]
        events += letters(self.whole)
        for event in events:
            _, name, site, target, _limit, content, size, facts, chain = event[:9]
            named = str(name).replace("__isoc99_", "").replace("__isoc23_", "")
            origins = self.store.origins(content, facts)
            if self.store.lost or self._blurred(origins):
                continue
            sources = [(origin, source) for origin in origins if (source := self.heard.source(origin)) is not None]
            whole = bool(sources) and judge.overruns(event)
            if not sources or not (whole or judge.outgrows(event)):
                continue
            self.rooms.setdefault(site, set()).add(judge.room(event, whole))
            for origin, source in sources:
                flow = self._flow(named, site, content, chain, origin, source)
                one = whole and name != LOOP and self._one_buffer(target, size)
                sure = flow.confidence if one else Confidence.MEDIUM
                flow = msgspec.structs.replace(flow, kind="overflow", command="", confidence=sure)
                known = flows.setdefault((site, flow.source), flow)
                self._ways.setdefault((site, flow.source), []).append(Way(known, facts, chain, content, origin.term))

    def _sinks(self) -> list[tuple[Any, ...]]:
        events = [*self.whole.events, *self.whole.uncalled()]
        out = [event for event in events if event[0] == "sink"]
        out += [("sink", *event[1:6], "") for event in events if event[0] == "feed" and self._is_run(event)]
        for event in events:
            if event[0] == "shell" and not self.logs_in:
                out += self._connected(event)
            elif event[0] == "start":
                _, name, site, path, vector, facts, chain = event
                out += [("sink", name, site, one, facts, chain, "") for one in self.store.started(path, vector)]
        return out

    def _is_run(self, event: tuple[Any, ...]) -> bool:
        """Whether a text that is written is a command; not when the shell behind is what a login gives."""
        _, name, _site, content, _facts, _chain, descriptor = event
        relayed = self.logs_in and name in _RELAYS and content.template == "%s"
        return not relayed and self.store.feeds(descriptor)

    def _connected(self, event: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """A shell whose standard input is a connection: all that comes through it is a command."""
        path, vector, source, name, site, facts, chain = event[1:]
        if not self.store.is_shell(path, vector) or self.heard.descriptor(source) != "network":
            return []
        ends = [one for one in self.store.leaves(source) if self.terms.nodes[one][2] in SOCKETS]
        heard = [self.terms.result(self.terms.nodes[one][1], CONNECTION, (one,)) for one in ends]
        contents = [Content(frozenset({("X", one, 0, 0, False)}), "%s") for one in heard]
        return [("sink", name, site, one, facts, chain, "") for one in contents]

    def _constructed(self, name: str, site: int, content: Content, facts: frozenset[Fact]) -> ConstructedCommand:
        inputs = []
        for origin in self.store.origins(content, facts):
            node = self.terms.nodes[origin.term]
            if node[0] == RESULT:
                inputs.append(f"{node[2]}@{node[1]:#x}" if isinstance(node[1], int) else str(node[2]))
        return ConstructedCommand(
            program="", sink=name, address=site, format=content.template, inputs=tuple(sorted(set(inputs))[:8])
        )

    def _flow(
        self,
        name: str,
        site: int,
        content: Content,
        chain: tuple[tuple[int, int], ...],
        origin: Origin,
        source: tuple[str, str],
    ) -> Flow:
        node = self.terms.nodes[origin.term]
        where = node[1] if isinstance(node[1], int) else 0
        port, certainty, protocol = self.ports.of(node[3][0] if node[3] else None, str(node[2]))
        confidence = Confidence.HIGH if source[1] == "high" else Confidence.MEDIUM
        steps = tuple(FlowStep(function=self._name(function), address=at) for function, at in chain)
        return Flow(
            program="",
            architecture=self.whole.image.architecture,
            source=f"{source[0]}@{where:#x}",
            sink=f"{name}@{site:#x}",
            kind="command",
            port=port,
            port_certainty=certainty,
            protocol=protocol,
            command=content.template,
            path=steps,
            confidence=confidence,
        )

    def _name(self, function: int) -> str:
        plain = function & ~1 if self.whole.arm else function
        return self.whole.image.names.get(plain) or f"fn_{plain:x}"


_NO_TEXT = frozenset(
    [
        "mmap",
        "mmap64",
        "pthread_create",
        "pthread_self",
        "gmtime",
        "localtime",
        "gmtime_r",
        "localtime_r",
        "time",
        "clock_gettime",
        "gettimeofday",
        "mq_open",
        "sem_open",
        "dlopen",
        "dlsym",
        "opendir",
        "socket",
        "fork",
        "getpid",
        "signal",
        "atoi",
        "strtol",
        "atol",
        "strtoul",
        "strerror",
        "gai_strerror",
        "hstrerror",
        "strsignal",
        "free",
    ]
)
"""Calls whose results are numbers, handles, times or messages: no text of a command ever comes out of them."""
_MOST_ORIGINS = 10
"""A command of a device's daemon has one to four origins."""
_BLURRED_FROM = 2


def _better(a: Flow, b: Flow) -> bool:
    order = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}
    return (order[a.confidence], not a.magic, a.port is None, -len(a.command), len(a.path)) < (
        order[b.confidence],
        not b.magic,
        b.port is None,
        -len(b.command),
        len(b.path),
    )
