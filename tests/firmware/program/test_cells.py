"""Memory regardless of order."""

from customhouse.firmware.program.cells import Cells


def test_what_lies_behind_an_array_is_no_entry_of_it() -> None:
    cells = Cells(lambda place, _step: 0x140 if place < 0x140 else 0x1000)
    cells.add(0x100, 0, 1)
    cells.add(0x110, 16, 2)
    cells.add(0x150, 0, 3)
    cells.add(0x160, 16, 4)
    assert cells.at(0x100, 16) == [1, 2]
    assert cells.at(0x150, 0) == [3]
