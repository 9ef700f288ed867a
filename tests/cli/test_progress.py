"""Progress as a terminal shows it."""

import pytest

from customhouse.cli.progress import TerminalProgress


@pytest.mark.parametrize("total", [None, 0, 3])
def test_a_stage_shows_whether_or_not_its_end_is_known(total: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress() as progress:
        progress.stage("unpacking", total)
        progress.advance()
        progress._bar.refresh()
        [row] = progress._bar.make_tasks_table(progress._bar.tasks).columns[1].cells
        assert "unpacking" in str(row)
    assert capsys.readouterr().out == ""
