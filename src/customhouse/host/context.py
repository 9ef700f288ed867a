"""What a run carries with it, passed down instead of kept in globals."""

from dataclasses import dataclass, field
from pathlib import Path

from .deadline import Deadline
from .progress import Progress, Silent


@dataclass(frozen=True)
class Context:
    """One run of a command.

    `work` is a private folder that is removed at the end; `cache` is None with `--no-cache`; `jobs` worker processes.
    """

    work: Path
    cache: Path | None = None
    jobs: int = 1
    isolate: bool = True
    deadline: Deadline = field(default_factory=lambda: Deadline.after(None))
    progress: Progress = field(default_factory=Silent)
