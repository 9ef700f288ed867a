"""Scores the data-flow engine on the pairs of test programs: recall, false alarms, ports and magics.

    .venv/bin/python bench/programs_pairs.py [--pair NAME ...] [--arch NAME ...] [--level -O2] [--unrehearsed] [-v]

CUSTOMHOUSE_PAIRS names another folder of pairs. With CUSTOMHOUSE_CORPUS set (or --toys FOLDER) the study's toy
programs beside the corpus are built into a temporary folder and scored too. Reported are flows of high or medium
confidence; a false alarm is one in a benign twin.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the pairs live beside the tests

from tests.firmware.program.build import ARCHITECTURES, EXTRA, LEVELS, Built, Pair, build, compiler, pairs

from customhouse.firmware.facts.extractor import Content
from customhouse.firmware.program.extractor import ProgramExtractor
from customhouse.model import Confidence, Digest, FileKind, Flow, Outcome, ProgramFacts

LIMIT_SECONDS = 30
SHOWN = (Confidence.HIGH, Confidence.MEDIUM)


@dataclass
class Score:
    """Counts; `port` and `magic` count only programs whose flow was found and that have one to ask for."""

    true: int = 0
    found: int = 0
    benign: int = 0
    alarms: int = 0
    ports: int = 0
    ports_right: int = 0
    magics: int = 0
    magics_right: int = 0
    seconds: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        def share(part: int, whole: int) -> str:
            return f"{part:4d}/{whole:<4d} {100 * part / whole:5.1f} %" if whole else "     -           "

        times = sorted(self.seconds) or [0.0]
        return (
            f"{name:18s} recall {share(self.found, self.true)}   false alarms {share(self.alarms, self.benign)}   "
            f"ports {share(self.ports_right, self.ports)}   magics {share(self.magics_right, self.magics)}   "
            f"median {times[len(times) // 2]:.2f} s  most {times[-1]:.2f} s"
        )


def analyse(built: Built, extractor: ProgramExtractor) -> tuple[ProgramFacts, float]:
    """Facts of a program with its own libraries, and the seconds they took."""
    began = time.process_time()
    roles = [role for library in built.libraries for role in read(library, extractor, b"").exports]
    need = msgspec.msgpack.encode(sorted(roles, key=lambda r: (r.function, r.role, r.argument))) if roles else b""
    facts = read(built.program, extractor, need)
    return facts, time.process_time() - began


def read(path: Path, extractor: ProgramExtractor, need: bytes) -> ProgramFacts:
    """Facts of one file. A crash or a program that does not end is told in `why`, and the run goes on."""
    data = path.read_bytes()
    content = Content(Digest(hashlib.sha256(data).hexdigest()), data, FileKind.ELF)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT_SECONDS)
    try:
        facts = extractor.extract(content, (), need)
    except Exception as failure:  # a bug of the engine is a line of the score
        frames = [f for f in traceback.extract_tb(failure.__traceback__) if f.name != "_too_long"][-3:]
        at = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
        return ProgramFacts(outcome=Outcome.FAILED, why=f"{type(failure).__name__} {failure} at {at}")
    finally:
        signal.alarm(0)
    assert isinstance(facts, ProgramFacts)
    return facts


def _too_long(signal_number: int, frame: object) -> None:
    raise TimeoutError(f"not done after {LIMIT_SECONDS} s")


def shown(facts: ProgramFacts) -> list[Flow]:
    return [flow for flow in facts.flows if flow.confidence in SHOWN]


def port_right(flow: Flow, port: int | None, certainty: str, protocol: str) -> bool:
    if port is None:
        return flow.port is None
    return flow.port == port and flow.port_certainty == certainty and flow.protocol == protocol


def judge(pair: Pair, twin: str, facts: ProgramFacts, scores: Iterable[Score]) -> str:
    """Adds one program to all `scores`; what is wrong with it, empty when nothing is."""
    flows = shown(facts)
    right_kind = [flow for flow in flows if flow.kind == pair.kind]
    wrong = []
    for score in scores:
        if twin == "benign":
            score.benign += 1
            score.alarms += bool(flows)
            continue
        score.true += 1
        score.found += bool(right_kind)
        if right_kind and pair.port is not None:
            score.ports += 1
            score.ports_right += any(port_right(f, pair.port, pair.port_certainty, pair.protocol) for f in right_kind)
        if right_kind and pair.magic:
            score.magics += 1
            score.magics_right += any(m in f.magic for f in right_kind for m in pair.magic)
    if twin == "benign":
        return f"false alarm: {'; '.join(map(describe, flows))}" if flows else ""
    if not right_kind:
        other = f", but {describe(flows[0])}" if flows else ""
        cut = f" ({facts.outcome.value}: {facts.why})" if facts.outcome.value != "done" else ""
        return f"missed{other}{cut}"
    if pair.port is not None and not any(
        port_right(f, pair.port, pair.port_certainty, pair.protocol) for f in right_kind
    ):
        wrong.append(f"port {right_kind[0].port} {right_kind[0].protocol} {right_kind[0].port_certainty}")
    if pair.magic and not any(m in f.magic for f in right_kind for m in pair.magic):
        wrong.append(f"magic {right_kind[0].magic!r}")
    return ", ".join(wrong)


def describe(flow: Flow) -> str:
    return (
        f"{flow.confidence.value} {flow.kind} {flow.source} -> {flow.sink} "
        f"{flow.protocol}/{flow.port} {flow.port_certainty} magic={flow.magic!r} command={flow.command!r}"
    )


# -- the study's toys


@dataclass(frozen=True)
class Toy:
    path: Path
    program: str
    architecture: str
    variant: str

    @property
    def is_true(self) -> bool:
        return self.program[0] in "abcf"


def build_toys(sources: Path, to: Path) -> Iterator[Toy]:
    """The equivalent of the study's build.sh, into a folder of ours."""
    plain = ["-O2", "-w", "-s"]
    for source in sorted(sources.glob("*.c")):
        name = source.stem
        for architecture in ARCHITECTURES:
            gcc = compiler(architecture)
            if gcc is None:
                print(f"skipped: no compiler for {name} on {architecture}")
                continue
            variants = {"": []}
            if name in ("a_direct", "b_helpers", "d_echo"):
                variants["static"] = ["-static"]
            if architecture in ("mipsel", "mips") and name in ("a_direct", "b_helpers", "c_fork"):
                variants["nopie"] = ["-no-pie", "-mips32r2"]
            if architecture == "armhf" and name in ("a_direct", "b_helpers", "c_fork", "f_cgi"):
                variants["arm"] = ["-marm", "-no-pie"]
            for variant, extra in variants.items():
                out = to / f"{name}.{architecture}{'.' + variant if variant else ''}"
                done = subprocess.run(["nice", gcc, *plain, *extra, "-o", str(out), str(source)], capture_output=True)
                if done.returncode == 0:
                    yield Toy(out, name, architecture, variant)


def score_toys(sources: Path, extractor: ProgramExtractor, verbose: bool) -> None:
    found = total = alarms = benign = statics = named = unsupported = 0
    with TemporaryDirectory() as folder:
        for toy in build_toys(sources, Path(folder)):
            facts = read(toy.path, extractor, b"")
            flows = [flow for flow in facts.flows if flow.confidence is Confidence.HIGH]
            if not toy.is_true:
                benign += 1
                alarms += bool(shown(facts))
            elif toy.variant == "static":
                statics += 1
                named += bool(flows)
                unsupported += not flows and facts.outcome.value == "unsupported"
            else:
                total += 1
                found += bool(flows)
            bad = bool(shown(facts)) if not toy.is_true else not flows
            if bad or verbose:
                told = "; ".join(map(describe, shown(facts))) or f"nothing ({facts.outcome.value} {facts.why})"
                print(f"  {toy.path.name}: {told}")
    print(
        f"toys: {found}/{total} dynamic found at high confidence, {alarms}/{benign} false alarms, "
        f"static {named}/{statics} found, {unsupported} more named unsupported"
    )


# -- the run


def main() -> int:
    options = arguments()
    extractor = ProgramExtractor() if options.rehearse else ProgramExtractor(rehearsal_seconds=0)
    by_architecture: defaultdict[str, Score] = defaultdict(Score)
    by_pair: defaultdict[str, Score] = defaultdict(Score)
    by_origin: defaultdict[str, Score] = defaultdict(Score)
    whole = Score()
    for pair in pairs():
        if options.pair and pair.name not in options.pair:
            continue
        for architecture in options.arch:
            if compiler(architecture) is None:
                print(f"skipped: no compiler for {architecture}")
                continue
            for level in options.level:
                for twin in ("true", "benign"):
                    facts, seconds = analyse(build(pair, twin, architecture, level), extractor)
                    scores = (by_architecture[architecture], by_pair[pair.name], by_origin[pair.origin], whole)
                    wrong = judge(pair, twin, facts, scores)
                    for score in scores:
                        score.seconds.append(seconds)
                    if wrong or options.verbose:
                        told = wrong or "; ".join(map(describe, shown(facts))) or "nothing, rightly"
                        print(f"  {pair.name} {twin} {architecture} {level} {seconds:.2f} s: {told}", flush=True)
    for name, score in (*by_pair.items(), *by_architecture.items(), *by_origin.items(), ("all", whole)):
        print(score.line(name))
    toys = options.toys or (
        Path(os.environ["CUSTOMHOUSE_CORPUS"]).parent / "prototypes" / "programs" if options.whole_run else None
    )
    if toys:
        score_toys(toys, extractor, options.verbose)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pair", action="append", help="only this one (repeatable)")
    parser.add_argument("--arch", action="append", choices=(*ARCHITECTURES, *EXTRA), help="only this one (repeatable)")
    parser.add_argument("--level", action="append", choices=LEVELS, help="only this one (--level=-Os)")
    parser.add_argument("--toys", type=Path, help="folder of the study's programs")
    parser.add_argument(
        "--unrehearsed", dest="rehearse", action="store_false", help="only what is read, nothing is run"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="what was found in each program")
    options = parser.parse_args()
    options.whole_run = not options.pair and "CUSTOMHOUSE_CORPUS" in os.environ
    options.arch = options.arch or ARCHITECTURES
    options.level = options.level or LEVELS
    return options


if __name__ == "__main__":
    raise SystemExit(main())
