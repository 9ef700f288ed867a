"""One file's bytes to facts, cacheable by digest: the map step."""

from .extractor import HITS_MOST, Content, Extractor, Hit, Pattern
from .map import Needs, facts_of_bytes, map_contents

__all__ = ["HITS_MOST", "Content", "Extractor", "Hit", "Needs", "Pattern", "facts_of_bytes", "map_contents"]
