"""All extractors of the map step, in the order in which a file is put to them: the cheap ones first."""

from typing import Final

from .facts import Extractor
from .facts.applets import AppletTable
from .facts.components import Components
from .facts.content import ContentExtractor
from .facts.elf import ElfExtractor
from .facts.text import TextExtractor

EXTRACTORS: Final[tuple[Extractor, ...]] = (
    ElfExtractor(),
    TextExtractor(),
    ContentExtractor(),
    Components(),
    AppletTable(),
)
