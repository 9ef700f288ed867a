"""Runs the data-flow engine over every ELF file of some Debian packages and measures it; beside it angr's CFGFast.

    .venv/bin/python bench/programs_debian.py [--jobs 2] [--arch armhf ...] [--package NAME ...] [--tsv FILE]

Prints programs per second on one core, median and 95th percentile of seconds a program, peak memory, outcomes, and all
flows of high and medium confidence as TSV for triage by hand. angr is installed into an environment of its own below
the cache folder; where that is not possible (or with --no-angr) the comparison is skipped, visibly.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
import venv
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from debian_packages import ARCHITECTURES, PACKAGES, cache_folder, fetch

from customhouse.firmware.facts.extractor import Content
from customhouse.firmware.program.extractor import ProgramExtractor
from customhouse.model import Confidence, Digest, FileKind, ProgramFacts

HANG_SECONDS = 120.0
COLUMNS = (
    *("architecture", "package", "program", "confidence", "kind", "source"),
    *("sink", "port", "protocol", "magic", "command", "path"),
)
ANGR_PROGRAMS = (  # small to large, all in the set
    ("armhf", "inetutils-telnetd"),
    ("mipsel", "tinyproxy-bin"),
    ("armhf", "dropbear-bin"),
    ("arm64", "vsftpd"),
    ("armhf", "dnsmasq-base"),
)


@dataclass(frozen=True)
class Program:
    architecture: str
    package: str
    path: Path
    name: str


@dataclass(frozen=True)
class Answer:
    seconds: float
    peak: int
    """Largest resident size of the worker so far, bytes."""
    facts: ProgramFacts | None
    error: str = ""


def programs(packages: tuple[str, ...], architectures: tuple[str, ...]) -> list[Program]:
    """All ELF files, each content once; says which packages do not exist."""
    found, seen = [], set()
    for architecture in architectures:
        for unpacked in fetch(packages, architecture):
            if unpacked.folder is None:
                print(f"{architecture}: no {unpacked.package}: {unpacked.why}")
            for path in unpacked.elf_files():
                digest = hashlib.sha256(path.read_bytes()).digest()
                if digest not in seen and unpacked.folder is not None:
                    seen.add(digest)
                    name = "/" + str(path.relative_to(unpacked.folder))
                    found.append(Program(architecture, unpacked.package, path, name))
    return found


# -- workers: one long-lived process a core, as in an audit


def worker(pipe: Connection) -> None:
    extractor = ProgramExtractor()
    while True:
        try:
            path = pipe.recv()
        except EOFError:
            return
        data = path.read_bytes()
        began = time.process_time()
        try:
            facts = extractor.extract(Content(Digest(hashlib.sha256(data).hexdigest()), data, FileKind.ELF), (), b"")
            error = ""
        except Exception as failure:
            facts, error = None, f"{type(failure).__name__}: {failure}"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        pipe.send(Answer(time.process_time() - began, peak, facts, error))


class Core:
    """One worker process and what it is at."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=worker, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.program: Program | None = None
        self.since = 0.0

    def give(self, program: Program) -> None:
        self.program, self.since = program, time.monotonic()
        self.pipe.send(program.path)

    def take(self) -> Answer | None:
        """The answer, a failure when the worker died or hangs; None while it works."""
        try:
            if self.pipe.poll():
                answer = self.pipe.recv()
                assert isinstance(answer, Answer)
                return answer
        except (EOFError, ConnectionError):
            self.restart()
            return Answer(time.monotonic() - self.since, 0, None, "worker died")
        if time.monotonic() - self.since > HANG_SECONDS:
            self.restart()
            return Answer(HANG_SECONDS, 0, None, f"hung for {HANG_SECONDS:.0f} s")
        return None

    def restart(self) -> None:
        program, since = self.program, self.since
        self.process.kill()
        self.process.join()
        self.start()
        self.program, self.since = program, since


def run(todo: list[Program], jobs: int) -> list[tuple[Program, Answer]]:
    queue = sorted(todo, key=lambda p: -p.path.stat().st_size)
    cores, done = [Core() for _ in range(jobs)], []
    busy: list[Core] = []
    while queue or busy:
        for core in cores:
            if core not in busy and queue:
                core.give(queue.pop(0))
                busy.append(core)
        wait([core.pipe for core in busy], timeout=1.0)
        for core in list(busy):
            answer = core.take()
            if answer is not None and core.program is not None:
                done.append((core.program, answer))
                busy.remove(core)
                seen = f"{len(done)}/{len(todo)} {core.program.architecture} {core.program.name} {answer.seconds:.1f} s"
                print(seen, file=sys.stderr, flush=True)
    for core in cores:
        core.process.kill()
    return done


# -- what is said of it


def report(done: list[tuple[Program, Answer]], wall: float, jobs: int) -> None:
    seconds = sorted(answer.seconds for _, answer in done)
    total = sum(seconds)
    print(f"{len(done)} programs, {total:.1f} s of one core: {len(done) / total:.1f} programs per second on one core")
    print(
        f"median {statistics.median(seconds):.2f} s, 95th percentile {seconds[int(0.95 * (len(seconds) - 1))]:.2f} s, "
        f"most {seconds[-1]:.2f} s; {wall:.0f} s by the clock with {jobs} workers, "
        f"peak {max(answer.peak for _, answer in done) / 2**20:.0f} MB a worker"
    )
    outcomes: Counter[str] = Counter()
    for program, answer in done:
        outcome = f"failed: {answer.error}" if answer.facts is None else answer.facts.outcome.value
        why = answer.facts.why if answer.facts is not None else ""
        outcomes[f"{outcome} ({why})" if why and len(why) < 60 else outcome] += 1
        if answer.facts is None or outcome in ("skipped", "partial", "failed"):
            print(f"  not complete: {program.architecture} {program.name}: {outcome} {why} {answer.seconds:.1f} s")
    for outcome, count in outcomes.most_common():
        print(f"  {count:5d} {outcome}")
    slow = sorted(done, key=lambda pair: -pair[1].seconds)[:5]
    print("slowest: " + ", ".join(f"{p.architecture} {p.name} {a.seconds:.1f} s" for p, a in slow))


def rows(done: list[tuple[Program, Answer]]) -> list[list[str]]:
    made = []
    for program, answer in sorted(done, key=lambda pair: (pair[0].package, pair[0].name, pair[0].architecture)):
        for flow in answer.facts.flows if answer.facts is not None else ():
            if flow.confidence is Confidence.LOW:
                continue
            path = " > ".join(f"{step.function}@{step.address:#x}" for step in flow.path)
            where = (program.architecture, program.package, program.name)
            what = (flow.confidence.value, flow.kind, flow.source, flow.sink)
            values = (*where, *what, flow.port, flow.protocol, flow.magic, flow.command, path)
            made.append([json.dumps(str(v))[1:-1] if v is not None else "" for v in values])
    return made


# -- angr, in its own environment

ANGR_REQUIREMENTS = ("angr", "bitstring<5", "pycparser==3.0")  # newer ones have interfaces that angr does not know
ANGR_SCRIPT = """
import logging, sys, time
logging.disable(logging.CRITICAL)
import angr
for path in sys.argv[1:]:
    began = time.process_time()
    try:
        graph = angr.Project(path, auto_load_libs=False).analyses.CFGFast(normalize=True)
        print(f"{path}\\t{time.process_time() - began:.2f}\\t{len(graph.kb.functions)} functions", flush=True)
    except Exception as failure:
        print(f"{path}\\t{time.process_time() - began:.2f}\\tfailed: {type(failure).__name__}", flush=True)
"""


def compare_with_angr(done: list[tuple[Program, Answer]]) -> None:
    chosen = []
    for architecture, package in ANGR_PROGRAMS:
        of_package = [(p, a) for p, a in done if (p.architecture, p.package) == (architecture, package)]
        if of_package:
            chosen.append(max(of_package, key=lambda pair: pair[0].path.stat().st_size))
    python = angr_environment()
    if python is None or not chosen:
        return
    paths = [str(p.path) for p, _ in chosen]
    ran = subprocess.run([python, "-c", ANGR_SCRIPT, *paths], capture_output=True, text=True)
    told = dict(line.split("\t", 1) for line in ran.stdout.splitlines() if "\t" in line)
    print("angr CFGFast (control flow only) beside the whole analysis here, seconds of one core:")
    for program, answer in chosen:
        seconds, _, rest = told.get(str(program.path), "-\tno answer").partition("\t")
        print(f"  {program.architecture:7s} {program.name:34s} angr {seconds:>7s} ({rest})   here {answer.seconds:.2f}")


def angr_environment() -> Path | None:
    folder = cache_folder() / "angr"
    python = folder / "bin" / "python"
    if not (folder / ".complete").is_file():
        print("installing angr into an environment of its own ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        install = ["nice", str(python), "-m", "pip", "install", "-q", *ANGR_REQUIREMENTS]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"skipped: the comparison with angr, which could not be installed ({last[:150]})")
            return None
        (folder / ".complete").touch()
    return python


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--arch", action="append", choices=ARCHITECTURES)
    parser.add_argument("--package", action="append", choices=PACKAGES)
    parser.add_argument("--tsv", type=Path, help="where the flows go (standard output without it)")
    parser.add_argument("--no-angr", action="store_true")
    options = parser.parse_args()
    todo = programs(tuple(options.package or PACKAGES), tuple(options.arch or ARCHITECTURES))
    began = time.monotonic()
    done = run(todo, options.jobs)
    report(done, time.monotonic() - began, options.jobs)
    table = "\n".join("\t".join(row) for row in [COLUMNS, *rows(done)]) + "\n"
    print(f"{table.count(chr(10)) - 1} flows of high or medium confidence")
    if options.tsv:
        options.tsv.write_text(table)
    else:
        sys.stdout.write(table)
    if options.no_angr:
        print("skipped: the comparison with angr (--no-angr)")
    else:
        compare_with_angr(done)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
