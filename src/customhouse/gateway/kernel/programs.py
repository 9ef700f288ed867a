"""Running the kernel's own tools: argument lists, never a shell, and never a word of a device on a command line."""

import shutil
import subprocess

from customhouse.host.errors import MissingTool

LONGEST = 60.0
"""Seconds. A whole ruleset of ten thousand devices loads in a tenth of that."""

PACKAGES = {"nft": "nftables", "ip": "iproute2", "conntrack": "conntrack", "tc": "iproute2", "bridge": "iproute2"}


def run(*arguments: str, given: str = "", timeout: float = LONGEST) -> subprocess.CompletedProcess[str]:
    """Run one tool to its end, whatever its exit status. Raises MissingTool when it is not installed."""
    program = shutil.which(arguments[0])
    if program is None:
        package = PACKAGES.get(arguments[0], arguments[0])
        raise MissingTool(f"the program {arguments[0]} is not installed", f"install the package {package}")
    return subprocess.run(
        [program, *arguments[1:]], input=given, capture_output=True, text=True, timeout=timeout, check=False
    )
