"""`customhouse gate run`: the configuration read, the daemon run. Absent libraries of the extra break only this."""

import asyncio
from pathlib import Path

from customhouse.gateway.control.config import read_config
from customhouse.gateway.control.daemon import Daemon


def run_gate(config: Path) -> None:
    """Returns when the gate was told to stop. Raises InputError and MissingTool where it cannot start."""
    wanted = read_config(config)

    async def serve() -> None:
        await Daemon(wanted).run()

    asyncio.run(serve())
