"""Domain types and the small closed vocabularies that every room shares."""

from enum import StrEnum
from typing import NewType

import msgspec

Digest = NewType("Digest", str)
"""SHA-256 of a content, lower-case hexadecimal."""

Offset = NewType("Offset", int)
"""A byte offset from the start of the content it is said of."""

ImagePath = NewType("ImagePath", str)
"""A path inside the image, POSIX style. `/etc/passwd` is in the root file system; a file of another volume is
written `@volume/path` (`@mtdblock4.bin/wpa.conf`). A name is text that any JSON holds: bytes that are not UTF-8,
control characters and the backslash itself are written `\\xNN`, reversibly (`unescape` in
`customhouse.firmware.unpack.names`). The targets of links are written the same way."""

Purl = NewType("Purl", str)
"""A package URL (https://github.com/package-url/purl-spec), canonical form."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every noun: immutable, keyword-only, encodable.

    Subclasses repeat the two words, since msgspec does not inherit `kw_only`.
    """


class Outcome(StrEnum):
    """What became of a piece of work. Never "no error seen"."""

    DONE = "done"
    PARTIAL = "partial"
    ENCRYPTED = "encrypted"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"
    FAILED = "failed"
    SKIPPED = "skipped"
    """A budget ran out."""


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Confidence(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Decision(StrEnum):
    """The four answers of a verdict, with the exit status of `audit` beside each in `EXIT_STATUS`."""

    ADMIT = "admit"
    ADMIT_CONTAINED = "admit-contained"
    REFUSE = "refuse"
    INCONCLUSIVE = "inconclusive"


EXIT_STATUS = {
    Decision.ADMIT: 0,
    Decision.ADMIT_CONTAINED: 10,
    Decision.REFUSE: 20,
    Decision.INCONCLUSIVE: 30,
}


class How(StrEnum):
    """How we know that a component is there, from the surest to the weakest. `mentions` never counts as presence."""

    DEFINES = "defines"
    PACKAGE_DATABASE = "package-database"
    BANNER = "banner"
    BUILD_STRING = "build-string"
    MENTIONS = "mentions"
