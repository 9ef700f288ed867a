"""What the answers of an audit depend on besides the image: a version that changes whenever they could."""

import functools
import hashlib
from importlib import resources

from customhouse import __version__
from customhouse.firmware.checks import CHECKS
from customhouse.firmware.extractors import EXTRACTORS
from customhouse.firmware.facts.worker import BASE, BASE_VERSION
from customhouse.firmware.program.extractor import ProgramExtractor


def fact_versions() -> dict[str, str]:
    """The version of each kind of fact that an audit of today keeps."""
    return {BASE: BASE_VERSION} | {each.name: each.version for each in (*EXTRACTORS, ProgramExtractor())}


@functools.cache
def rules_version() -> str:
    """Changes whenever the same bytes could give other facts or findings."""
    parts = [__version__, *(f"{each.name}/{each.version}" for each in (*EXTRACTORS, ProgramExtractor()))]
    parts += [check.rule for check in CHECKS]
    parts += [_sources("customhouse.firmware.link"), _sources("customhouse.firmware.checks")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _sources(package: str) -> str:
    """Of a room's own files: nobody has to remember to raise a number."""
    files = sorted(resources.files(package).iterdir(), key=lambda item: item.name)
    content = b"".join(item.read_bytes() for item in files if item.is_file())
    return hashlib.sha256(content).hexdigest()
