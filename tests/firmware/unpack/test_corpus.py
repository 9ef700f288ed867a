"""Real images: at least what the manifest says is inside comes out."""

import functools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from customhouse.firmware.unpack import Unpacked, unpack
from customhouse.host.context import Context
from customhouse.host.isolation import available
from customhouse.model import NodeKind, Outcome

pytestmark = [pytest.mark.corpus]


def rows(corpus: Path) -> list[tuple[str, str, str]]:
    """Name, kind and remarks of every line of the manifest."""
    lines = (corpus / "MANIFEST.tsv").read_text().splitlines()[1:]
    cells = [line.split("\t") for line in lines]
    return [(cell[0], cell[2], cell[3] if len(cell) > 3 else "") for cell in cells]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Unpacked]:
    """Unpacks each image once for all tests here."""
    work = tmp_path_factory.mktemp("work")
    return functools.cache(lambda path: unpack(path, Context(work=work, isolate=available())))


def test_every_image_gives_at_least_the_entries_of_the_manifest(corpus: Path, run: Callable[[Path], Unpacked]) -> None:
    short = []
    for name, _kind, remarks in rows(corpus):
        counted = re.search(r"(\d+) (entries|files)", remarks)
        if counted is None or not name.startswith("images/"):
            continue
        result = run(corpus / name)
        volumes = {volume.name for volume in result.tree.volumes if volume.kind in ("squashfs", "jffs2")}
        entries = sum(node.volume in volumes for node in result.tree.nodes)
        if entries < int(counted[1]):
            short.append(f"{name}: {entries} of {counted[1]}")
    assert short == []


def test_every_format_sample_unpacks_or_is_named(corpus: Path, run: Callable[[Path], Unpacked]) -> None:
    for path in sorted((corpus / "formats").iterdir()):
        result = run(path)
        done = {extent.outcome for extent in result.coverage.extents if extent.kind not in ("padding", "unknown")}
        assert done & {Outcome.DONE, Outcome.PARTIAL, Outcome.UNSUPPORTED}, path.name
        assert any(node.kind is NodeKind.FILE for node in result.tree.nodes), path.name


def test_every_byte_of_every_image_is_accounted_for(corpus: Path, run: Callable[[Path], Unpacked]) -> None:
    for path in sorted((corpus / "images").iterdir()):
        coverage = run(path).coverage
        assert sum(extent.size for extent in coverage.extents) == coverage.bytes, path.name
        assert coverage.share > 0.8, path.name


def test_an_encrypted_image_is_not_explained(corpus: Path, run: Callable[[Path], Unpacked]) -> None:
    for path in sorted((corpus / "opaque").iterdir()):
        result = run(path)
        assert result.coverage.share < 0.05
        assert {extent.outcome for extent in result.coverage.extents} & {Outcome.ENCRYPTED, Outcome.UNKNOWN}


def test_espressif_images_tell_chip_segments_and_idf_version(corpus: Path, run: Callable[[Path], Unpacked]) -> None:
    told = {}
    for name, kind, _remarks in rows(corpus):
        if "ESP" in kind:
            volumes = run(corpus / name).tree.volumes
            volume = max((volume for volume in volumes if "chip" in volume.detail), key=lambda volume: volume.size)
            told[name] = (
                volume.detail["chip"],
                volume.detail.get("IDF version", "")[:5],
                int(volume.detail["segments"]) > 1,
            )
    assert {("ESP32", "5.5.4", True), ("ESP32-C3", "5.5.4", True)} <= set(told.values())
    assert sum(chip == "ESP8266" for chip, _, _ in told.values()) == 2


def test_kernels_come_out_with_their_version(corpus: Path, run: Callable[[Path], Unpacked]) -> None:
    for name, kind, remarks in rows(corpus):
        version = re.search(r"Linux (\d+\.\d+[.\d]*)", remarks)
        if version is None or ("kernel" not in kind + name.lower() and kind not in ("same", "uImage")):
            continue
        result = run(corpus / name)
        wanted = f"Linux version {version[1]}".encode()
        assert any(wanted in path.read_bytes() for path in result.contents.values()), name
