"""What a statement rests on."""

from .base import Digest, ImagePath, Model


class Evidence(Model, frozen=True, kw_only=True):
    """One place in the image that a reader can look at.

    `offset` is in bytes from the start of the file, or a virtual address where `address` is set instead.
    `excerpt` is short, printable, and holds no recovered secret in full where a prefix tells enough.
    """

    path: ImagePath
    digest: Digest | None = None
    offset: int | None = None
    address: int | None = None
    excerpt: str = ""


class NotExamined(Model, frozen=True, kw_only=True):
    """Something that was not (fully) looked at. Shown in every report, and counted in the verdict."""

    what: str
    outcome: str
    why: str
