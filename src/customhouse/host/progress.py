"""Saying how far a long piece of work has come. The terminal face lives in `cli`; everything below only reports."""

from typing import Protocol


class Progress(Protocol):
    """Receives stages and counts. Calls are cheap and may come often; they never fail."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A new stage begins; `total` is in whatever unit `advance` counts, None when unknown."""

    def advance(self, count: int = 1) -> None: ...

    def note(self, text: str) -> None:
        """One line that the user should read now (a fallback taken, a part given up)."""


class Silent:
    """Progress for tests, for `--quiet` and for work that is over before anyone could read."""

    def stage(self, name: str, total: int | None = None) -> None: ...

    def advance(self, count: int = 1) -> None: ...

    def note(self, text: str) -> None: ...
