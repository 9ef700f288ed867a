"""Who could use a flaw on this device: one statement, the facts it rests on, and what would reopen it.

The order of questions: is the code there, is its condition met, is it used in the role that has the flaw, can anybody
stand where it takes. A "no" that rests on a fact ends in `not_affected`; a question without an answer leaves
`under_investigation`. NAT alone is never a "no".
"""

from customhouse.model import Advisory, Fact, Match, Model, Reachability

from .clock import clock_start, parse_date
from .positions import NAMES, Standing, remaining, stated
from .situation import Known, Seen, Situation, fact
from .words import BUILD, USE, words

CLIENT_APPLETS = frozenset({"udhcpc", "udhcpc6", "wget", "ftpget", "ftpput", "tftp", "telnet", "nslookup", "ping"})
"""Applets that go out to others; every other that boot starts waits for them."""
NOT_PRESENT = "vulnerable_code_not_present"
NOT_EXECUTED = "vulnerable_code_not_in_execute_path"
NOT_CONTROLLED = "vulnerable_code_cannot_be_controlled_by_adversary"
COMPONENT_ABSENT = "component_not_present"


class Bar(Model, frozen=True, kw_only=True):
    """A fact that, by itself, keeps everybody from the flaw."""

    fact: Fact
    justification: str
    reopens: str


class Answers(Model, frozen=True, kw_only=True):
    """What the questions about one flaw came to."""

    bars: tuple[Bar, ...] = ()
    met: tuple[Fact, ...] = ()
    missing: tuple[str, ...] = ()


def expose(match: Match, situation: Situation) -> Reachability:
    """The statement for one match."""
    advisory = match.advisory
    sides = situation.sides or shown_sides(advisory, situation)
    positions = stated(advisory, sides)
    if situation.deployment.downstream_devices and {"P1", "P4"} & set(positions):
        positions = tuple(sorted({*positions, "P5"}))  # what a neighbour can connect to, a downstream device can
    standing = remaining(positions, situation)
    answers = _joined(
        _code(advisory, situation),
        _conditions(advisory, situation),
        _roles(advisory, situation),
        _foothold(standing, situation),
    )
    if not standing.positions and not standing.perimeter and standing.removed:
        bars = Bar(
            fact=Fact(
                fact="; ".join(item.fact for item in standing.removed),
                source=standing.removed[0].source,
            ),
            justification=NOT_CONTROLLED,
            reopens=" or ".join(standing.reopens),
        )
        answers = _joined(answers, Answers(bars=(bars,)))
    if answers.bars:
        return _barred(answers)
    early = _too_early(match, situation)
    if early is not None:
        answers = _joined(answers, Answers(met=(early,)))
    return _open(match, answers, standing, too_early=early is not None)


def _too_early(match: Match, situation: Situation) -> Fact | None:
    """A package that was built before anybody knew of the flaw cannot carry its fix."""
    start = clock_start(match.advisory)
    if not match.backport or start is None:
        return None
    declared = parse_date(situation.deployment.firmware_date)
    if declared is not None and declared < start:
        return fact(
            f"the firmware is of {declared}, and the flaw was not known before {start}", situation.deployment.source
        )
    built = situation.seen.built if situation.seen else None
    if built is not None and built < start:
        return fact(f"the image was made by {built}, and the flaw was not known before {start}", "image headers")
    return None


def _joined(*parts: Answers) -> Answers:
    return Answers(
        bars=tuple(item for part in parts for item in part.bars),
        met=tuple(item for part in parts for item in part.met),
        missing=tuple(dict.fromkeys(item for part in parts for item in part.missing)),
    )


def _barred(answers: Answers) -> Reachability:
    """Not affected. The strongest reason justifies; each of several would do, so all must fall to reopen it."""
    order = (COMPONENT_ABSENT, NOT_PRESENT, NOT_EXECUTED, NOT_CONTROLLED)
    bars = sorted(answers.bars, key=lambda bar: order.index(bar.justification))
    reopens = dict.fromkeys(bar.reopens for bar in bars)
    return Reachability(
        status="not_affected",
        justification=bars[0].justification,
        facts=tuple(bar.fact for bar in bars),
        reopens_if=(" and ".join(reopens),),
        explanation=f"Nobody can use it: {bars[0].fact.fact}.",
    )


def _open(match: Match, answers: Answers, standing: Standing, *, too_early: bool) -> Reachability:
    who = ", ".join(f"{position} ({NAMES[position]})" for position in standing.positions)
    doubts = list(answers.missing)
    if not match.certain and not too_early:
        doubts.insert(0, "affected-version")
    if doubts:
        return Reachability(
            status="under_investigation",
            positions=standing.positions,
            facts=(*answers.met, *standing.removed),
            missing=tuple(doubts),
            reopens_if=tuple(_question(name, match) for name in doubts),
            explanation=f"Not settled: {_question(doubts[0], match)}" + (f"; it would take {who}." if who else "."),
        )
    if standing.perimeter:
        return Reachability(
            status="affected",
            facts=(*answers.met, *standing.removed),
            perimeter=True,
            explanation="Only NAT keeps Internet peers out, which is no fix: keep it closed, and update.",
        )
    return Reachability(
        status="affected",
        positions=standing.positions,
        facts=(*answers.met, *standing.removed),
        explanation=f"Can be used by {who}.",
    )


def _question(name: str, match: Match) -> str:
    if name == "affected-version":
        return match.matched_because
    if name.startswith("role:"):
        return f"whether the device uses {match.component} as {name[5:]} (a deployment file states its roles)"
    if name.startswith("starts:"):
        return f"whether {name[7:]} runs (something starts it, under a condition)"
    if name.startswith("runs-"):
        programs = " or ".join(part.removeprefix("runs-") for part in name.split("|"))
        return f"whether {programs} runs (nothing was seen to start it)"
    parts = [part for part in name.split("|") if part]
    return "whether " + " or ".join(
        words().denial(part[1:]) if part.startswith("!") else words().text(part) for part in parts
    )


# Is the code there?


def _code(advisory: Advisory, situation: Situation) -> Answers:
    seen = situation.seen
    bars = []
    met = []
    if seen and advisory.applets and seen.applets is not None:
        held = sorted(set(advisory.applets) & seen.applets)
        if held:
            met.append(fact(f"{situation.component} carries {', '.join(held)}", "applet table"))
        else:
            named = ", ".join(advisory.applets)
            bars.append(
                Bar(
                    fact=fact(f"this {situation.component} carries no applet {named}", "applet table"),
                    justification=NOT_PRESENT,
                    reopens=f"{situation.component} is built with {named}",
                )
            )
    if seen and advisory.symbols and seen.called is not None:
        named = ", ".join(advisory.symbols)
        if set(advisory.symbols) & seen.called:
            met.append(fact(f"a program calls {named}", "symbol tables"))
        else:
            bars.append(
                Bar(
                    fact=fact(f"no program of the image calls {named}", "symbol tables"),
                    justification=NOT_EXECUTED,
                    reopens=f"a program calls {named}",
                )
            )
    return Answers(bars=tuple(bars), met=tuple(met))


# Is its condition met?


def _conditions(advisory: Advisory, situation: Situation) -> Answers:
    bars: list[Bar] = []
    met: list[Fact] = []
    missing: list[str] = []
    for need in advisory.needs:
        options = [(name, _value(name, situation)) for name in need.split("|")]
        true = [(name, known) for name, known in options if known.value]
        if true:
            met.append(fact(_phrase(*true[0]), true[0][1].source))
        elif all(known.value is False for _, known in options):
            bars.append(_bar(options))
        else:
            missing.append(need)
    return Answers(bars=tuple(bars), met=tuple(met), missing=tuple(missing))


def _value(name: str, situation: Situation) -> Known:
    """Of a literal: `!A` is met when A is known not to hold."""
    known = situation.known(name.removeprefix("!"))
    if name.startswith("!") and known.value is not None:
        return Known(value=not known.value, source=known.source, absent=False)
    return known


def _phrase(name: str, known: Known) -> str:
    """The literal's fact as it stands."""
    holds = known.value if not name.startswith("!") else not known.value
    bare = name.removeprefix("!")
    return words().text(bare) if holds else words().denial(bare)


def _bar(options: list[tuple[str, Known]]) -> Bar:
    name, known = options[0]
    kind = words().kind(name.removeprefix("!"))
    justification = {BUILD: NOT_PRESENT, USE: NOT_EXECUTED}.get(kind, NOT_CONTROLLED)
    if any(item.absent for _, item in options):
        justification = NOT_PRESENT
    return Bar(
        fact=fact("; ".join(_phrase(literal, item) for literal, item in options), known.source),
        justification=justification,
        reopens=" or ".join(
            words().denial(literal[1:]) if literal.startswith("!") else words().text(literal) for literal, _ in options
        ),
    )


# Is it used in the role that has the flaw?


def _roles(advisory: Advisory, situation: Situation) -> Answers:
    wanted = set(advisory.roles)
    if "both" in wanted:
        wanted |= {"client", "server"}
    sides = situation.sides
    shared = wanted & sides
    if shared:
        return Answers(met=(fact(f"used as {', '.join(sorted(shared))}", situation.deployment.source),))
    if situation.complete and wanted and "local" not in wanted:
        return _role_absent(advisory, situation)
    return _role_seen(advisory, situation, wanted)


def _role_absent(advisory: Advisory, situation: Situation) -> Answers:
    named = " or ".join(advisory.roles)
    if advisory.roles == ("app",) and any(words().kind(need) == USE for need in advisory.needs):
        return Answers()  # the call itself is the condition, and it has been asked about
    return Answers(
        bars=(
            Bar(
                fact=fact(
                    f"the library serves as {' and '.join(sorted(situation.sides)) or 'nothing'} only",
                    f"{situation.deployment.source}: roles and uses are declared complete",
                ),
                justification=NOT_EXECUTED,
                reopens=f"the device uses {situation.component} as {named}",
            ),
        )
    )


def shown_sides(advisory: Advisory, situation: Situation) -> frozenset[str]:
    """Sides that start-up shows the component to act on, where nothing was declared."""
    seen = situation.seen
    if seen is None:
        return frozenset()
    if advisory.applets:
        running = set(advisory.applets) & seen.applets_run
        acting = {"client" if applet in CLIENT_APPLETS else "server" for applet in running}
        return frozenset(acting & _wanted(advisory)) or frozenset(_wanted(advisory) if running else ())
    return seen.sides


def _wanted(advisory: Advisory) -> set[str]:
    roles = set(advisory.roles)
    return roles | {"client", "server"} if "both" in roles else roles


def _role_seen(advisory: Advisory, situation: Situation, wanted: set[str]) -> Answers:
    """Nothing declared: what the firmware shows of start-up."""
    seen = situation.seen
    if "local" in wanted:
        return Answers()
    if seen is None or (seen.library and not seen.sides):
        named = " or ".join(sorted(wanted - {"both"})) or "anything that meets strangers"
        return Answers(missing=(f"role:{named}",))
    if advisory.applets:
        running = sorted(set(advisory.applets) & seen.applets_run)
        if running:
            return Answers(met=(fact(f"boot starts {', '.join(running)}", seen.source),))
        held = [name for name in advisory.applets if seen.applets is None or name in seen.applets]
        for name in held:
            if name in seen.applets_if and situation.known(f"runs-{name}").value is None:
                return Answers(missing=(f"starts:{name}",))
        return _runs(tuple(held or advisory.applets), situation)
    if wanted & seen.sides:
        return Answers(met=(fact(_started(situation.component, seen), seen.source),))
    if situation.component == "linux-kernel":
        return _listening(situation)
    if seen.sides and wanted:
        return Answers(missing=(f"role:{' or '.join(sorted(wanted))}",))
    if seen.starts_if and situation.known(f"runs-{situation.component}").value is None:
        return Answers(missing=(f"starts:{situation.component}",))
    return _runs((situation.component,), situation)


def _listening(situation: Situation) -> Answers:
    """The kernel's network code is met through whatever listens; it also answers what the device itself went out to."""
    known = situation.known("listening-service")
    if known.value:
        return Answers(met=(fact(words().text("listening-service"), known.source),))
    return Answers(missing=("listening-service",))


def _runs(programs: tuple[str, ...], situation: Situation) -> Answers:
    """Nothing was seen to start any of `programs`: what was declared of them (`runs-udhcpc = false`) decides."""
    names = [f"runs-{program}" for program in programs]
    declared = [(name, situation.known(name)) for name in names]
    if any(known.value for _, known in declared):
        return Answers(met=(fact(f"{programs[0]} runs", situation.deployment.source),))
    if all(known.value is False for _, known in declared):
        named = " and ".join(programs)
        return Answers(
            bars=(
                Bar(
                    fact=fact(f"{named} never runs", declared[0][1].source),
                    justification=NOT_EXECUTED,
                    reopens=f"{' or '.join(programs)} is started",
                ),
            )
        )
    return Answers(missing=("|".join(names),))


def _started(component: str, seen: Seen) -> str:
    ports = ", ".join(seen.ports)
    if component == "linux-kernel":
        return f"services that boot starts listen on {ports}"
    return f"{seen.started_by or 'boot'} starts it" + (f" on {ports}" if ports else "")


def _foothold(standing: Standing, situation: Situation) -> Answers:
    """What only local code reaches is open until somebody says whether others run code on the device."""
    if set(standing.positions) == {"P6"} and situation.deployment.local_users is None:
        return Answers(missing=("local-users",))
    return Answers()
