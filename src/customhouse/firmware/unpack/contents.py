"""Contents by digest, and the budget that everything written counts against."""

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from customhouse.model import Digest

from .format import BudgetSpent
from .quota import Quota

_IN_MEMORY = 1 << 22


class Budget:
    """Counts what was written, and stops the writer when an image asks for too much."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._ends = time.monotonic() + quota.seconds
        self.output = 0
        self.entries = 0
        self.names = 0

    def entry(self, length: int) -> None:
        """One more entry, whose path and link target take `length` bytes."""
        self.entries += 1
        self.names += length
        if self.names > self.quota.names:
            raise BudgetSpent(f"more than {self.quota.names >> 20} MiB of names")
        if self.entries > self.quota.entries:
            raise BudgetSpent(f"more than {self.quota.entries} entries")
        self.time()

    def grow(self, count: int) -> None:
        self.output += count
        if self.output > self.quota.output:
            raise BudgetSpent(f"more than {self.quota.output >> 20} MiB of output")
        self.time()

    def time(self) -> None:
        if time.monotonic() > self._ends:
            raise BudgetSpent(f"more than {self.quota.seconds:.0f} seconds")

    @property
    def remaining(self) -> float:
        """Seconds left."""
        return max(0.0, self._ends - time.monotonic())


class ContentStore:
    """A folder of read-only files named by their SHA-256. The same content is written once."""

    def __init__(self, folder: Path, budget: Budget) -> None:
        self._folder = folder
        self._budget = budget
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, digest: Digest) -> Path:
        return self._folder / digest

    def keep(self, pieces: Iterable[bytes | memoryview]) -> tuple[Digest, int, bytes, bool]:
        """Digest, size, the first bytes, and whether the content is new here."""
        hasher, size, spill = hashlib.sha256(), 0, None
        kept: list[bytes | memoryview] = []
        head = b""
        try:
            for piece in pieces:
                self._budget.grow(len(piece))
                hasher.update(piece)
                size += len(piece)
                head = head if len(head) >= 64 else head + bytes(piece[:64])
                if size > self._budget.quota.single:
                    raise BudgetSpent(f"one file of more than {self._budget.quota.single >> 20} MiB")
                if spill is None:
                    kept.append(piece)
                    if size > _IN_MEMORY:
                        spill = (self._folder / "growing").open("wb")
                if spill is not None:
                    spill.writelines(kept or (piece,))
                    kept.clear()
        except BaseException:
            (self._folder / "growing").unlink(missing_ok=True)
            raise
        finally:
            if spill is not None:
                spill.close()
        digest = Digest(hasher.hexdigest())
        return digest, size, head, self._settle(digest, kept, spilled=spill is not None)

    def _settle(self, digest: Digest, kept: list[bytes | memoryview], *, spilled: bool) -> bool:
        final, growing = self.path(digest), self._folder / "growing"
        if final.exists():
            return False
        if not spilled:
            with growing.open("wb") as sink:
                sink.writelines(kept)
        growing.chmod(0o444)
        os.replace(growing, final)  # noqa: PTH105 – one system call, no Path made
        return True
