"""`customhouse gate run` and `gate canary`: a configuration read, the daemon run or put to the test.

Absent libraries of the extra break only these commands.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from customhouse.gateway.control.canary import Finding, fly
from customhouse.gateway.control.config import read_config
from customhouse.gateway.control.daemon import Daemon


def run_gate(config: Path) -> None:
    """Returns when the gate was told to stop. Raises InputError and MissingTool where it cannot start."""
    wanted = read_config(config)

    async def serve() -> None:
        await Daemon(wanted).run()

    asyncio.run(serve())


def fly_canary(config: Path) -> Iterator[Finding]:
    """What a stranger tried on each segment, and whether it was stopped."""
    for segment in read_config(config).house_segments():
        yield from fly(segment)
