"""The house for tests with real packets, or a visible skip where the machine cannot hold one."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from tests.gateway.house.world import SEGMENT, World

from customhouse.gateway.kernel.kernel import Kernel
from customhouse.gateway.kernel.sentinel import stand_guard


def _missing() -> str:
    """Why no house can be built here; empty when one can."""
    if os.geteuid() != 0:
        return "namespaces need root"
    for program in ("ip", "nft", "tc", "conntrack"):
        if shutil.which(program) is None:
            return f"the program {program} is not installed"
    name = f"ch{os.getpid()}try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"no network namespace can be made: {made.stderr.strip()}"
    asked = subprocess.run(
        ["ip", "netns", "exec", name, "nft", "list", "ruleset"], capture_output=True, text=True, check=False
    )
    subprocess.run(["ip", "netns", "del", name], check=False)
    return f"nftables does not answer: {asked.stderr.strip()}" if asked.returncode else ""


@pytest.fixture(scope="session")
def wide_world() -> Iterator[World]:
    reason = _missing()
    if reason:
        pytest.skip(reason)
    world = World(f"ch{os.getpid()}")
    try:
        world.build()
        yield world
    finally:
        world.dispose()


@pytest.fixture
def world(wide_world: World) -> Iterator[World]:
    """The house, with the sentinel on its ports and none of our tables yet."""
    with wide_world.inside("gw"):
        stand_guard((SEGMENT,))
    wide_world.received.clear()
    yield wide_world
    with wide_world.inside("gw"):
        for family in ("inet", "bridge"):
            subprocess.run(["nft", "delete", "table", family, "customhouse"], capture_output=True, check=False)
        subprocess.run(["conntrack", "-F"], capture_output=True, check=False)


class Gateway:
    """The kernel adapter, entered from the gateway's namespace."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kernel = Kernel()

    def __getattr__(self, name: str) -> object:
        method = getattr(self.kernel, name)

        def there(*arguments: object) -> object:
            with self.world.inside("gw"):
                answer = method(*arguments)
                return list(answer) if name == "blocked" else answer

        return there


@pytest.fixture
def gateway(world: World) -> Gateway:
    return Gateway(world)
