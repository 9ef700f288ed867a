"""What is known while a start script is followed: values, truth of tests, and the events that come out."""

from dataclasses import dataclass, field, replace

from customhouse.model import Evidence

from .shell_syntax import Command


@dataclass(frozen=True, slots=True)
class Value:
    """A string, or where it is not known the script's own words for it.

    `shipped`: read from a file or setting of the image, which somebody can change later.
    """

    text: str
    known: bool = True
    shipped: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """Of a test or an exit status. None: cannot be told from the image. `shipped` as in `Value`."""

    value: bool | None
    shipped: bool = False

    def negated(self) -> "Truth":
        return Truth(None if self.value is None else not self.value, self.shipped)


YES = Truth(True)
NO = Truth(False)
UNKNOWN = Truth(None)


@dataclass(frozen=True, slots=True)
class Guard:
    """A test on the way to a start: its source text, and whether it holds in the image as shipped (None: unknown)."""

    text: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Frame:
    """Where we are: the chain of files that led here, and how."""

    chain: tuple[str, ...] = ()
    script: str = ""
    user: str = "root"
    background: bool = False
    respawn: bool = False
    depth: int = 0
    via: str = ""
    """What starts the program where that is not a script: `console ttyS0`, `inetd`, `systemd`, `cron` ..."""
    base: int = 0
    """Where the text that is being run stands in its file, in bytes."""
    once: tuple[str, ...] = ()
    """Scripts with their arguments that are being run above us: a cycle is cut there."""

    def into(self, path: str, key: str) -> "Frame":
        """A script run from here. What init keeps on a console stays the console's, also behind a script."""
        return replace(
            self,
            chain=(*self.chain, path),
            script=path,
            depth=self.depth + 1,
            via=self.via if self.via.startswith("console") else "",
            base=0,
            once=(*self.once, key),
        )


@dataclass(frozen=True, slots=True)
class State:
    """Variables and whereabouts on one path through a script. Immutable: branches fork by copying."""

    variables: dict[str, Value] = field(default_factory=dict)
    functions: dict[str, Command] = field(default_factory=dict)
    arguments: tuple[Value, ...] = ()
    name: str = "sh"
    folder: str = "/"
    guards: tuple[Guard, ...] = ()
    blind: bool = False
    """Some file that may set variables could not be read: an unset variable is then unknown, not empty."""

    def let(self, name: str, value: Value) -> "State":
        return replace(self, variables={**self.variables, name: value})

    def guarded(self, *guards: Guard) -> "State":
        new = tuple(guard for guard in guards if guard not in self.guards)
        return replace(self, guards=self.guards + new) if new else self

    @property
    def dormant(self) -> bool:
        """On a path that the image as shipped does not take."""
        return any(guard.holds is False for guard in self.guards)


def join(first: State | None, second: State | None) -> State | None:
    """What holds on both paths; where only one is taken as shipped, its values, marked as shipped."""
    if first is None or second is None:
        return first or second
    if first is second:
        return first
    if first.dormant and not second.dormant:
        first, second = second, first
    only_first = second.dormant and not first.dormant
    variables = first.variables
    differ = [] if first.variables is second.variables else first.variables.keys() | second.variables.keys()
    for name in differ:
        ours, theirs = first.variables.get(name), second.variables.get(name)
        if ours is theirs or ours == theirs:
            continue
        if variables is first.variables:
            variables = dict(variables)
        if only_first:
            value = ours if ours is not None else Value("")
            variables[name] = Value(value.text, value.known, shipped=True)
        else:
            variables[name] = Value(f"${name}", known=False)
    return replace(
        first,
        variables=variables,
        functions=first.functions if first.functions is second.functions else {**second.functions, **first.functions},
        folder=first.folder if first.folder == second.folder or only_first else "",
        guards=tuple(guard for guard in first.guards if guard in second.guards),
        blind=first.blind or (second.blind and not only_first),
    )


def join_truth(first: State | None, ours: Truth, second: State | None, theirs: Truth) -> Truth:
    """The status after two paths have met."""
    if first is None or second is None:
        return ours if second is None else theirs
    if ours.value == theirs.value:
        return Truth(ours.value, ours.shipped or theirs.shipped)
    if first.dormant != second.dormant:
        return Truth((theirs if first.dormant else ours).value, shipped=True)
    return UNKNOWN


@dataclass(frozen=True, slots=True)
class Ends:
    """How a command can end: going on, returning from a function, leaving a loop turn, or ending the script."""

    normal: State | None
    status: Truth = YES
    returned: State | None = None
    answer: Truth = YES
    """Status of `returned`."""
    left: State | None = None
    """After `break` or `continue`."""
    breaks: bool = False

    def meets(self, other: "Ends") -> "Ends":
        """Both may happen."""
        return Ends(
            join(self.normal, other.normal),
            join_truth(self.normal, self.status, other.normal, other.status),
            join(self.returned, other.returned),
            join_truth(self.returned, self.answer, other.returned, other.answer),
            join(self.left, other.left),
            self.breaks or other.breaks,
        )

    def then(self, later: "Ends") -> "Ends":
        """`later` follows on the normal path."""
        return Ends(
            later.normal,
            later.status,
            join(self.returned, later.returned),
            join_truth(self.returned, self.answer, later.returned, later.answer),
            join(self.left, later.left),
            self.breaks or later.breaks,
        )


@dataclass(frozen=True, slots=True)
class Start:
    """A program that is run. `path` is as written, `real` where its file is stored (None: not in the image)."""

    path: str
    real: str | None
    applet: str
    arguments: tuple[str, ...]
    frame: Frame
    guards: tuple[Guard, ...]
    evidence: Evidence
    background: bool = False
    respawn: bool = False
    user: str = "root"
    via: str = ""
    """As in `Frame`."""


@dataclass
class Budget:
    """How much following is allowed; what was cut is kept, to be reported."""

    steps: int = 60_000
    cuts: dict[str, str] = field(default_factory=dict)

    def spend(self) -> bool:
        self.steps -= 1
        return self.steps >= 0

    def cut(self, what: str, why: str) -> None:
        if len(self.cuts) < 200:
            self.cuts.setdefault(what, why)
