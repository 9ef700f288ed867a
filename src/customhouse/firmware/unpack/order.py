"""What the parent asks of the isolated worker. Apart from both, so that asking does not load what the work needs."""

import msgspec

from .quota import Quota


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to unpack. `parts` are (name, path); of a root file system handed over as a folder, `root` is the folder."""

    work: str
    parts: tuple[tuple[str, str], ...] = ()
    root: str = ""
    quota: Quota = Quota()
