"""What the formats that compress one stream share: find its end by decoding, then write the one file it holds."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Protocol

from customhouse.model import Outcome

from .format import DONE, Ending, Extent, Format, Meta, TreeWriter, Window

_PIECE = 1 << 16
_PROBED_OUTPUT = 256 << 20
_TRUNCATED_ENOUGH = 1 << 14


class Decoder(Protocol):
    """What Python's decompressor objects have in common; one whose format has no end mark also has `between_blocks`."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes) -> bytes: ...


class Decoding:
    """Decodes a window piece by piece; `used` is how many bytes the stream took, once it is through."""

    def __init__(self, data: Window, decoder: Decoder, errors: tuple[type[Exception], ...]) -> None:
        self._data, self._decoder, self._errors = data, decoder, errors
        self.used = 0
        self.made = 0
        self.complete = False
        self.trouble = ""

    def pieces(self) -> Iterator[bytes]:
        """Everything that can be decoded; a damaged stream ends early, with `trouble` set."""
        while not self._decoder.eof and self.used < self._data.size:
            piece = self._data.read(self.used, _PIECE)
            try:
                made = self._decoder.decompress(piece)
            except self._errors as trouble:
                self.trouble = str(trouble) or type(trouble).__name__
                return
            self.used += len(piece)
            self.made += len(made)
            if made:
                yield made
        self.complete = self._decoder.eof or getattr(self._decoder, "between_blocks", False)
        self.used -= len(self._decoder.unused_data or b"") if self._decoder.eof else 0
        if not self.complete:
            self.trouble = "the stream is damaged or cut off"


class StreamFormat(Format):
    """A compressed stream that holds one content."""

    carries = True
    errors: tuple[type[Exception], ...]
    header: int = 4
    """The fewest bytes that a stream can have."""

    def _probe(self, data: Window) -> Extent | None:
        if data.size < self.header or not self.plausible(data):
            return None
        decoding = self._decoding(data)
        for _ in decoding.pieces():
            if decoding.made > _PROBED_OUTPUT:
                return Extent(size=data.size, detail={"note": "its end was not sought: it grows too large"})
        if decoding.complete and decoding.made:
            return Extent(size=decoding.used, detail=self.about(data))
        if decoding.made >= _TRUNCATED_ENOUGH:
            return Extent(size=max(decoding.used, self.header), detail={"damaged": decoding.trouble})
        return None

    def _unpack(self, data: Window, tree: TreeWriter) -> Ending:
        decoding = self._decoding(data)
        tree.file(self.entry(data), decoding.pieces(), Meta())
        if decoding.trouble:
            return Ending(Outcome.PARTIAL if decoding.made else Outcome.FAILED, decoding.trouble)
        return DONE

    def _decoding(self, data: Window) -> Decoding:
        return Decoding(data, self.decoder(data), self.errors)

    @abstractmethod
    def decoder(self, data: Window) -> Decoder:
        """A fresh decoder for the stream that starts the window; `Malformed` when its header is impossible."""

    def plausible(self, data: Window) -> bool:
        """A cheap look before decoding."""
        return True

    def about(self, data: Window) -> dict[str, str]:
        """What the header says, for the volume's detail."""
        return {}

    def entry(self, data: Window) -> bytes:
        """What to call the content."""
        return b"content"
