"""Word lists of the content extractor, from vocabulary.toml."""

import tomllib
from importlib import resources
from typing import Final

_TABLE: Final = tomllib.loads(resources.files(__package__).joinpath("vocabulary.toml").read_text("utf-8"))
TOP_LEVEL_DOMAINS: Final[tuple[bytes, ...]] = tuple(word.encode() for word in _TABLE["top_level_domains"].split())
TOOLS: Final[tuple[bytes, ...]] = tuple(word.encode() for word in _TABLE["tools"].split())
SCHEMES: Final[tuple[str, ...]] = tuple(_TABLE["schemes"].split())
