"""A gate with a kernel that only remembers what it was told."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from customhouse.gateway.control.config import parse_config
from customhouse.gateway.control.gate import Gate
from customhouse.gateway.control.state import State
from customhouse.gateway.kernel.kernel import RulesetRefused
from customhouse.gateway.ruleset.compile import Delta, Ruleset

CONFIG = """
[[segments]]
interface = "br0"
ports = ["port1", "port2"]
addresses = ["192.168.20.1/24", "fd00:20::1/64"]
"""


class FakeKernel:
    """Holds the last ruleset that it took; `refuse` makes it take no more deltas, `broken` nothing at all."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.cuts: list[int] = []
        self.wrong: tuple[str, ...] = ()
        self.refuse = False
        self.broken = False

    def replace(self, ruleset: Ruleset) -> None:
        if self.broken:
            raise RulesetRefused("the kernel is on strike", "")
        self.calls.append("replace")

    def apply(self, delta: Delta) -> None:
        if self.refuse or self.broken:
            raise RulesetRefused("no", "")
        self.calls.append("apply")

    def drift(self, ruleset: Ruleset) -> tuple[str, ...]:
        return self.wrong

    def cut_flows(self, number: int, addresses: Iterable[str] = ()) -> None:
        self.cuts.append(number)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state_path(tmp_path: Path) -> Path:
    return tmp_path / "gate.sqlite"


@pytest.fixture
def gate(kernel: FakeKernel, clock: Clock, state_path: Path) -> Iterator[Gate]:
    state = State(state_path)
    gate = Gate(parse_config(CONFIG), state, kernel, clock)
    yield gate
    gate.close()
    state.close()
