"""Small programs out of one text, compiled in a test's own folder."""

import subprocess
from pathlib import Path

import pytest
from tests.firmware.program.build import compiler


def built(folder: Path, architecture: str, text: str, *options: str) -> bytes:
    """The stripped program; the test is skipped where the compiler is not installed."""
    gcc = compiler(architecture)
    if gcc is None:
        pytest.skip(f"no compiler for {architecture} is installed")
    source, program = folder / "p.c", folder / "p"
    source.write_text(text)
    subprocess.run([gcc, "-O2", "-w", "-s", *options, "-o", str(program), str(source)], check=True)
    return program.read_bytes()
