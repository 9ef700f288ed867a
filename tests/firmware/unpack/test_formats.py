"""Every format is registered, tested and documented."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from customhouse.firmware.unpack.format import Format
from customhouse.firmware.unpack.formats import FORMATS
from customhouse.firmware.unpack.reference import markdown
from customhouse.firmware.unpack.unblob_adapter import handlers

HERE = Path(__file__).parent
PAGE = Path(__file__).parents[3] / "docs/reference/formats.md"


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
def test_every_format_has_a_test_file_with_a_negative_case_and_a_line_of_documentation(format_: Format) -> None:
    module = Path(inspect.getfile(type(format_))).stem
    tests = HERE / "formats" / f"test_{module}.py"
    assert tests.is_file(), f"{format_.name} has no test file"
    text = tests.read_text()
    assert " is None" in text, f"{tests.name} has no case that is not {format_.name}"
    assert "@given" in text, f"{tests.name} feeds no arbitrary bytes"
    assert f"| `{format_.name}` |" in PAGE.read_text()


def test_every_file_of_the_formats_is_registered() -> None:
    folder = Path(inspect.getfile(type(FORMATS[0]))).parent
    registered = {Path(inspect.getfile(type(format_))).stem for format_ in FORMATS}
    with_a_format = {
        path.stem
        for path in folder.glob("*.py")
        if "(Format):" in path.read_text() or "(StreamFormat):" in path.read_text()
    }
    assert with_a_format == registered


def test_the_reference_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == markdown(), "run make docs"


def test_names_are_unique_and_unblob_takes_all_of_them() -> None:
    names = [format_.name for format_ in FORMATS]
    assert len(set(names)) == len(names)
    assert {handler.NAME for handler in handlers()} >= set(names)


def test_unblob_is_loaded_without_lief() -> None:
    code = (
        "import sys, customhouse.firmware.unpack.worker; print('lief' in sys.modules, 'unblob.handlers' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "True"]


def test_unblob_by_itself_does_not_cut_programs_out_of_themselves() -> None:
    extractors = {handler.NAME: handler.EXTRACTOR for handler in handlers()}
    assert extractors["elf"] is None
    assert extractors["squashfs"] is not None
