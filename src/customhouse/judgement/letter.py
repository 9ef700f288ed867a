"""The same answer as a letter to a customer: what was asked, what was found, what it rests on, what would change it.

Written so that an engineer can sign it: every claim is one that the statements above it make, and nothing is promised.
"""

import datetime
import textwrap
from collections import Counter
from collections.abc import Sequence

from customhouse.model import Advice, Deployment, FeedStatus, Move, Vulnerability

from .positions import NAMES
from .wording import counted, in_words, listed, month, title, why_not

WIDTH = 88


def letter(
    advice: Advice,
    rows: Sequence[Vulnerability],
    deployment: Deployment,
    feeds: Sequence[FeedStatus],
    today: datetime.date,
) -> str:
    """Plain text, ready to be signed. `rows` are the judged flaws of the version in use."""
    name = f"{title(advice.component)} {advice.version}"
    device = deployment.name if deployment.uses else "your device"
    parts = [
        f"{today.day} {month(f'{today:%Y-%m}')}",
        f"Subject: {name} in {device} – is there any point in upgrading?",
        "Dear customer,",
        f"You asked whether {name} should be replaced by a newer version. We compared it with every flaw "
        f"{'published' if advice.complete else 'known to our snapshot'} for it as of {_as_of(feeds, rows)} and asked, "
        "for each, who would have to send which data to the device to use it.",
        _finding(advice, rows),
        *_reachable(rows),
        *_basis(advice, rows, deployment),
        *_recommendation(advice, today),
        *_limits(advice),
        "Yours sincerely,",
        "(name, position)",
    ]
    return "\n\n".join(_filled(part) for part in parts if part) + "\n"


def _filled(text: str) -> str:
    if text.startswith("- "):
        return "\n".join(
            textwrap.fill(line[2:], WIDTH, initial_indent="  - ", subsequent_indent="    ") for line in text.split("\n")
        )
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _as_of(feeds: Sequence[FeedStatus], rows: Sequence[Vulnerability]) -> str:
    used = {row.source for row in rows}
    dates = [feed.date for feed in feeds if feed.date and (feed.name in used or not used)]
    return f"{min(dates).day} {month(f'{min(dates):%Y-%m}')}" if dates else "today"


def _finding(advice: Advice, rows: Sequence[Vulnerability]) -> str:
    matched = counted(advice.matched, "such flaw")
    without = sum(1 for row in rows if not row.id.startswith("CVE-"))
    unnumbered = (
        f" ({without} of them have no CVE number, so scanners that go by CVE do not report them)" if without else ""
    )
    verb = "covers" if advice.matched == 1 else "cover"
    opening = f"{matched[0].upper()}{matched[1:]} {verb} this version{unnumbered}."
    if advice.reachable:
        return f"{opening} {len(advice.reachable)} of them can be used against the device in the way it is used:"
    if advice.undecided:
        return (
            f"{opening} Of {len(advice.undecided)} we cannot say whether they matter to you "
            f"without knowing more. Please tell us: {'; '.join(_asked(rows))}."
        )
    if not advice.matched:
        return "We found none."
    return f"{opening} None of them can be used against the device in the way it is used: {'; '.join(why_not(rows))}."


def _asked(rows: Sequence[Vulnerability]) -> list[str]:
    """What would settle most, first."""
    counts = Counter(name for row in rows for name in row.reachability.missing)
    order = {"role": 0, "fact": 1, "option": 2}

    def rank(name: str) -> tuple[int, int]:
        kind = "role" if name.startswith("role:") else "option" if name.lstrip("!")[:1].isupper() else "fact"
        return order[kind], -counts[name]

    return in_words(sorted(counts, key=rank), 8)


def _reachable(rows: Sequence[Vulnerability]) -> list[str]:
    lines = []
    for row in rows:
        if row.reachability.status != "affected":
            continue
        by = listed([NAMES[position] for position in row.reachability.positions]) or "Internet peers, but for the NAT"
        fixed = f" Fixed in {listed(row.fixed)}." if row.fixed else " No fixed release is known."
        lines.append(f"- {row.id} ({row.title or 'no title'}): can be used by {by}.{fixed}")
    return ["\n".join(lines)] if lines else []


def _basis(advice: Advice, rows: Sequence[Vulnerability], deployment: Deployment) -> list[str]:
    """The facts that keep flaws out, each named once, those of one source together."""
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.reachability.status == "not_affected":
            for item in row.reachability.facts[:1]:
                counts[(item.fact, item.source)] = counts.get((item.fact, item.source), 0) + 1
    if not counts:
        return []
    groups: dict[str, list[tuple[str, int]]] = {}
    for (text, source), count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        groups.setdefault(_group(source), []).append((text, count))
    lines = []
    for group, members in groups.items():
        if group:
            opening = _OPENINGS[group].format(name=title(advice.component), version=advice.version)
            settled = sum(count for _, count in members)
            lines.append(f"- {opening} ({_flaws(settled)}). In particular, {'; '.join(text for text, _ in members)}.")
        else:
            lines += [f"- {text[0].upper()}{text[1:]} ({_flaws(count)})." for text, count in members]
    example = next((row.reachability.reopens_if[0] for row in rows if _single(row)), "")
    lead = f" – for instance when {example} –" if example else ","
    return [
        "This rests on the following statements about the device. Please check that each of them is true.",
        "\n".join(lines),
        f"Where one of them is not true, or is to change{lead} tell us before you rely on this letter: each can open "
        "flaws that are closed to attackers today.",
    ]


_OPENINGS = {
    "complete": "{name} is used for what you told us and for nothing else",
    "default": "{name} is built in its default configuration",
    "version": "The code concerned came to {name} only after version {version}",
}


def _group(source: str) -> str:
    if source.endswith("declared complete"):
        return "complete"
    return "default" if source == "default configuration" else "version" if source.startswith("version") else ""


def _flaws(count: int) -> str:
    return f"this settles {counted(count, 'flaw')}"


def _single(row: Vulnerability) -> bool:
    """Closed by one declared fact alone."""
    reach = row.reachability
    return reach.status == "not_affected" and len(reach.facts) == 1 and not _group(reach.facts[0].source)


def _recommendation(advice: Advice, today: datetime.date) -> list[str]:
    paragraphs = []
    smallest = next((move for move in advice.moves if set(move.clears) & set(advice.reachable)), None)
    if advice.reachable and smallest:
        stays = set(advice.reachable) & set(smallest.leaves)
        rest = f" It leaves {listed(sorted(stays))}." if stays else ""
        paragraphs.append(
            f"We recommend to move to {smallest.to}. It is the smallest step that takes these flaws away."
            f"{rest}{_price(smallest)}"
        )
    elif advice.reachable:
        paragraphs.append(
            "No release is known that takes these flaws away. We recommend to keep those who could use them away from "
            "the device until there is one."
        )
    elif not advice.undecided:
        paragraphs.append(
            "An upgrade would therefore not make the device safer against any flaw that is known today, and every "
            "change of firmware carries its own risk. We do not recommend one for this reason alone."
        )
    paragraphs += _outlook(advice, today)
    return paragraphs


def _price(move: Move) -> str:
    if move.kind == "same-branch":
        return " It is a maintenance release of the same branch, with the same public interface."
    if move.cost.functions_removed is None:
        return ""
    options = f" and {move.cost.options_removed} build options" if move.cost.options_removed else ""
    return f" The move removes {counted(move.cost.functions_removed, 'public function')}{options} ({move.cost.note})."


def _outlook(advice: Advice, today: datetime.date) -> list[str]:
    if not advice.branch_ends:
        return []
    if advice.branch_ends >= f"{today:%Y-%m}":
        return [f"Branch {advice.branch} is maintained until {month(advice.branch_ends)}."]
    alive = [move for move in advice.moves if move.branch_ends >= f"{today:%Y-%m}" and move.branch != advice.branch]
    text = (
        f"There is a reason to plan, though. Branch {advice.branch} has not been maintained since "
        f"{month(advice.branch_ends)}: a flaw that is found tomorrow will not be fixed in it, "
        "and rules such as the EU Cyber Resilience Act ask for "
        "updates throughout the support period."
    )
    if not alive:
        return [text]
    options = "; or ".join(
        f"{move.to} (maintained until {month(move.branch_ends)}"
        + (
            f", without {move.cost.functions_removed} of today's public functions"
            if move.cost.functions_removed
            else ""
        )
        + (f", would bring {listed(move.brings, 3)} into question" if move.brings else "")
        + ")"
        for move in alive
    )
    return [f"{text} We suggest to move with the next larger release of your firmware, to {options}."]


def _limits(advice: Advice) -> list[str]:
    partial = "" if advice.complete else " Our snapshot does not hold every flaw of this component."
    return [
        "This letter judges published flaws only; it says nothing of flaws that nobody has published, or of other "
        f"software in the device.{partial} That the device sits behind NAT, or talks to a server of yours, was not "
        "counted as protection: somebody on the path can answer in the server's place before it has proved who it is."
    ]
