"""Small programs out of one text, compiled in a test's own folder."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.firmware.program.build import compiler

DATAGRAMS = r"""
int main(void) {
    static char packet[1500];
    struct sockaddr_in me;
    sock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(41234);
    if (bind(sock, (struct sockaddr *)&me, sizeof me) < 0) return 1;
    for (;;) {
        long n = recv(sock, packet, sizeof packet - 1, 0);
        if (n <= 8) continue;
        packet[n] = 0;
        take(packet, n);
    }
}
"""
"""The end of a program that hands each packet to its `take(char *, long)`; `sock` is a global."""


def built(folder: Path, architecture: str, text: str, *options: str) -> bytes:
    """The stripped program; the test is skipped where the compiler is not installed."""
    gcc = compiler(architecture)
    if gcc is None:
        pytest.skip(f"no compiler for {architecture} is installed")
    source, program = folder / "p.c", folder / "p"
    source.write_text(text)
    subprocess.run([gcc, "-O2", "-w", "-s", *options, "-o", str(program), str(source)], check=True)
    return program.read_bytes()


def sided(text: str, words: Mapping[str, tuple[str, str]], true: bool) -> str:
    """A program with each of the words replaced by what makes it harmless, or by what makes it true."""
    for word, sides in words.items():
        text = text.replace(word, sides[true])
    return text
