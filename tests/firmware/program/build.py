"""Builds the pairs of test programs for the six architectures that count, into a cache keyed by what goes in.

Nothing is built that is already there, and only what is asked for; the compilers run niced. Where a cross compiler is
missing, `compiler` says so and its callers skip visibly. `python tests/firmware/program/build.py [NAME...]` builds all.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

PAIRS = Path(os.environ.get("CUSTOMHOUSE_PAIRS") or Path(__file__).with_name("pairs"))
"""The folder of pairs; another one for pairs that the engine was not developed on."""
ARCHITECTURES = ("armel", "armhf", "arm64", "mipsel", "mips", "x86-64")
EXTRA = ("i386",)
"""Architectures that the bench can be asked for; not among those that count."""
LEVELS = ("-O2", "-Os")
TWINS = ("true", "benign")
WARNINGS = ("-w",) if os.environ.get("CUSTOMHOUSE_PAIRS") else ("-Wall", "-Werror")
"""Of pairs that others wrote they are theirs."""

_COMPILERS = {
    "armel": "arm-linux-gnueabi-gcc",
    "armhf": "arm-linux-gnueabihf-gcc",
    "arm64": "aarch64-linux-gnu-gcc",
    "mipsel": "mipsel-linux-gnu-gcc",
    "mips": "mips-linux-gnu-gcc",
    "x86-64": "x86_64-linux-gnu-gcc",
    "i386": "i686-linux-gnu-gcc",
}


@dataclass(frozen=True)
class Pair:
    """One entry of pairs.toml; `port` is None where the program binds none, `magic` empty where none is asked for."""

    name: str
    covers: str
    origin: str
    kind: str
    port: int | None
    port_certainty: str
    protocol: str
    magic: tuple[str, ...]
    libraries: tuple[str, ...]


@dataclass(frozen=True)
class Built:
    """A stripped, dynamically linked program and the libraries of its own that it needs."""

    program: Path
    libraries: tuple[Path, ...] = ()


@cache
def pairs() -> tuple[Pair, ...]:
    entries = tomllib.loads((PAIRS / "pairs.toml").read_text())["pair"]
    return tuple(
        Pair(
            name=e["name"],
            covers=e["covers"],
            origin=e["origin"],
            kind=e["kind"],
            port=e.get("port"),
            port_certainty=e.get("port_certainty", "exact" if "port" in e else "unknown"),
            protocol=e.get("protocol", ""),
            magic=tuple(e.get("magic", ())),
            libraries=tuple(e.get("libraries", ())),
        )
        for e in entries
    )


@cache
def compiler(architecture: str) -> str | None:
    """Where the compiler for `architecture` is; None where it is not installed."""
    return shutil.which(_COMPILERS[architecture])


@cache
def _compiler_version(path: str) -> str:
    return subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def cache_folder() -> Path:
    """Outside the tree, so that a clean checkout stays clean and builds outlive it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "customhouse-tests" / "programs"


def build(pair: Pair, twin: str, architecture: str, level: str = "-O2", cflags: tuple[str, ...] = ()) -> Built:
    """Compiles one twin, or finds it compiled.

    Raises `LookupError` without a compiler, `CalledProcessError` when compiling fails.
    """
    gcc = compiler(architecture)
    if gcc is None:
        raise LookupError(f"no {_COMPILERS[architecture]} on this machine")
    digest = hashlib.sha256(repr((_compiler_version(gcc), twin, level, cflags, pair.libraries, WARNINGS)).encode())
    for source in sorted((PAIRS / pair.name).glob("*.c")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    folder = cache_folder() / f"{pair.name}-{twin}-{architecture}{level}-{digest.hexdigest()[:16]}"
    built = Built(folder / pair.name, tuple(folder / f"lib{name}.so" for name in pair.libraries))
    if not built.program.is_file():
        _compile(pair, twin, (gcc, level, *WARNINGS, *cflags), folder)
    return built


def _compile(pair: Pair, twin: str, gcc: tuple[str, ...], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as made_in:
        made = Path(made_in) / "made"
        made.mkdir()
        for name in pair.libraries:
            _run(*gcc, "-s", "-shared", "-fPIC", f"-Wl,-soname,lib{name}.so", "-o", made / f"lib{name}.so",
                 PAIRS / pair.name / f"{name}.c")  # fmt: skip
        links = [f"-l{name}" for name in pair.libraries]
        _run(*gcc, "-s", "-o", made / pair.name, PAIRS / pair.name / f"{twin}.c", f"-L{made}", *links)
        if not folder.exists():  # another process may have been faster; what it made is the same
            made.rename(folder)


def _run(*command: str | Path) -> None:
    done = subprocess.run(["nice", *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)


def main(names: list[str]) -> int:
    for pair in pairs():
        if names and pair.name not in names:
            continue
        for architecture in ARCHITECTURES:
            if compiler(architecture) is None:
                print(f"skipped: no {_COMPILERS[architecture]}", file=sys.stderr)
                continue
            for twin in TWINS:
                for level in LEVELS:
                    try:
                        print(build(pair, twin, architecture, level).program)
                    except subprocess.CalledProcessError as error:
                        print(f"{pair.name} {twin} {architecture} {level}:\n{error.stderr}", file=sys.stderr)
                        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
