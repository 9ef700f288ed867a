"""The answer in words: one plain paragraph that an expert would stand behind and a customer can read."""

import datetime
from collections import Counter
from collections.abc import Sequence

from customhouse.model import Branch, Move, Vulnerability

from .positions import NAMES
from .words import words

TITLES = {"mbedtls": "Mbed TLS", "openssl": "OpenSSL", "busybox": "BusyBox", "linux-kernel": "the Linux kernel"}
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
_WHY = {
    "component_not_present": "the component is not in the device",
    "vulnerable_code_not_present": "the code concerned is not in this build or version",
    "vulnerable_code_not_in_execute_path": "the device never uses the role or function concerned",
    "vulnerable_code_cannot_be_controlled_by_adversary": "nobody stands where the attack would have to come from",
}


def title(component: str) -> str:
    return TITLES.get(component, component)


def month(text: str) -> str:
    """`2027-03` as words."""
    year, _, number = text.partition("-")
    return f"{_MONTHS[int(number) - 1]} {year}" if number.isdigit() and 1 <= int(number) <= 12 else text


def listed(items: Sequence[str], most: int = 6, last: str = "and") -> str:
    """`a, b and c`; what is beyond `most` is counted."""
    shown = list(items[:most])
    if len(items) > most:
        shown.append(f"{len(items) - most} more")
    return f" {last} ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def why_not(rows: Sequence[Vulnerability]) -> list[str]:
    """Why flaws that match cannot be used, the commonest reason first, with how many each settles."""
    reasons = Counter(
        row.reachability.justification for row in rows if row.reachability.status == "not_affected"
    ).most_common()
    return [f"of {count}, {_WHY.get(reason, reason)}" for reason, count in reasons]


def who(rows: Sequence[Vulnerability]) -> str:
    """Everybody who can reach any of `rows`."""
    positions = sorted({position for row in rows for position in row.reachability.positions})
    return listed([f"{NAMES[position]} ({position})" for position in positions])


def answer_of(
    component: str,
    version: str,
    rows: Sequence[Vulnerability],
    point: bool | None,
    branch: Branch | None,
    moves: Sequence[Move],
    complete: bool,
    today: datetime.date,
) -> str:
    """One paragraph: yes, no, or what it depends on."""
    name = f"{title(component)} {version}"
    known = "published" if complete else "known to this snapshot"
    reached = [row for row in rows if row.reachability.status == "affected"]
    undecided = [row for row in rows if row.reachability.status == "under_investigation"]
    sentences = []
    if not rows:
        sentences.append(_nothing_known(name, complete))
    elif point:
        sentences.append(
            f"Yes. Of {counted(len(rows), 'flaw')} {known} that match {name}, {len(reached)} can be used "
            f"against this device, by {who(reached)}: {listed([row.id for row in reached])}."
        )
        sentences += _smallest_move(moves, reached)
    elif reached:
        sentences.append(
            f"No release is known that would help: {listed([row.id for row in reached])} can be used by "
            f"{who(reached)}, and no known version takes that away. Contain the device instead."
        )
    elif point is None:
        sentences += _depends(name, known, rows, undecided)
    else:
        sentences.append(
            f"No, not for the flaws {known} today: {counted(len(rows), 'flaw')} match {name}, and none of them can be "
            f"used against this device as it is used ({'; '.join(why_not(rows))})."
        )
    if reached and undecided:
        sentences.append(
            f"{counted(len(undecided), 'further flaw')} stay open until facts that nobody has stated are known."
        )
    sentences += _branch(branch, moves, today, urgent=bool(reached))
    if any(row.reachability.perimeter for row in rows):
        sentences.append("NAT alone keeps some attackers out; that is not a fix, and the flaws count as open.")
    return " ".join(sentences)


def _nothing_known(name: str, complete: bool) -> str:
    if complete:
        return f"No. No published flaw matches {name}."
    return (
        f"Nothing known to this snapshot matches {name}. The snapshot does not hold everything on this component; "
        "`customhouse feeds sync` fetches the rest."
    )


def _smallest_move(moves: Sequence[Move], reached: Sequence[Vulnerability]) -> list[str]:
    ids = {row.id for row in reached}
    for move in moves:
        cleared = ids & set(move.clears)
        if cleared:
            all_of = "all of them" if cleared == ids else f"{len(cleared)} of them"
            rest = f"; {listed(sorted(ids - cleared))} would stay" if cleared != ids else ""
            where = ", in the same branch" if move.kind == "same-branch" else ""
            return [f"The smallest move that clears {all_of} is {move.to}{where}{rest}.{_cost(move)}"]
    return []


def _cost(move: Move) -> str:
    cost = move.cost
    if cost.functions_removed is None:
        return " Its public interface is the same." if move.kind == "same-branch" else ""
    options = f" and {cost.options_removed} build options" if cost.options_removed else ""
    gone = counted(cost.functions_removed, "public function")
    return f" It removes {gone}{options} ({cost.note})."


def _depends(name: str, known: str, rows: Sequence[Vulnerability], undecided: Sequence[Vulnerability]) -> list[str]:
    settled = len(rows) - len(undecided)
    missing = Counter(_asked(fact) for row in undecided for fact in row.reachability.missing)
    asked = [fact for fact, _ in missing.most_common(5) if fact]
    return [
        f"It depends on facts that nobody has stated. Of {counted(len(rows), 'flaw')} {known} that match {name}, "
        f"{settled} cannot be used and {len(undecided)} are open.",
        f"The facts that would settle most: {listed(asked)}. State them in a deployment file and ask again.",
    ]


def in_words(names: Sequence[str], most: int = 6) -> list[str]:
    """Missing facts as questions that a customer can answer, each once."""
    questions = []
    for name in names:
        if name == "affected-version":
            continue
        if name.startswith("role:"):
            questions.append("in which roles it is used (as client, as server, through its functions directly)")
        elif name.startswith(("runs-", "starts:")):
            program = name.split("|")[0].removeprefix("runs-").removeprefix("starts:")
            questions.append(f"whether {program} runs")
        else:
            questions.append("whether " + " or ".join(words().text(part.removeprefix("!")) for part in name.split("|")))
    return list(dict.fromkeys(questions))[:most]


def _asked(name: str) -> str:
    """A missing fact as a deployment file would state it; empty for what only better records could settle."""
    if name == "affected-version":
        return ""
    if name.startswith("role:"):
        return "roles"
    return name.split("|")[0].removeprefix("!").replace("starts:", "runs-")


def _branch(branch: Branch | None, moves: Sequence[Move], today: datetime.date, *, urgent: bool) -> list[str]:
    if branch is None or not branch.ends:
        return []
    ended = branch.ends < f"{today:%Y-%m}"
    alive = [move for move in moves if move.branch_ends and move.branch_ends >= f"{today:%Y-%m}"]
    ahead = listed(
        [f"{move.to} (branch {move.branch}, maintained until {month(move.branch_ends)})" for move in alive], last="or"
    )
    if not ended:
        return [f"Branch {branch.name} is maintained until {month(branch.ends)}."]
    plan = "also plan" if urgent else "plan"
    later = f" So {plan} the move to {ahead} with your next larger release." if ahead else ""
    return [
        f"Branch {branch.name} ended in {month(branch.ends)}: flaws found from now on will not be fixed in it, "
        f"and this answer holds for what is known today.{later}"
    ]
