"""What stands in a content, whatever its format: read from the hits of the one multi-pattern pass."""

from .extractor import ContentExtractor

__all__ = ["ContentExtractor"]
