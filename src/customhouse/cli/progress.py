"""Progress on stderr: a moving line on a terminal, one plain line a stage elsewhere, nothing with `--quiet`."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class TerminalProgress:
    """A bar that shows the present stage; the stages that are over leave a line each."""

    doing = ""
    """The stage that is under way."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),  # a stage whose end is not known has no total
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def stage(self, name: str, total: int | None = None) -> None:
        self.doing = name
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(name, total=total)

    def advance(self, count: int = 1) -> None:
        if self._task is not None:
            self._bar.advance(self._task, count)

    def note(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)


class LineProgress:
    """For logs: each stage is one line when it begins, with the seconds since the start."""

    doing = ""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def stage(self, name: str, total: int | None = None) -> None:
        self.doing = name
        count = f" ({total})" if total else ""
        self.note(f"{time.monotonic() - self._start:6.1f} s  {name}{count}")

    def advance(self, count: int = 1) -> None: ...

    def note(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class QuietProgress(LineProgress):
    """Says nothing of stages; what the user must know still comes through."""

    def stage(self, name: str, total: int | None = None) -> None:
        self.doing = name


def progress_for(quiet: bool) -> TerminalProgress | LineProgress:
    if quiet:
        return QuietProgress()
    return TerminalProgress() if sys.stderr.isatty() else LineProgress()
