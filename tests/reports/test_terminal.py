from customhouse.model import Dossier
from customhouse.reports import terminal


def test_the_first_ten_lines_hold_the_answer_and_its_reasons(dossier: Dossier) -> None:
    head = "\n".join(terminal.render(dossier).splitlines()[:10])
    assert "REFUSE" in head
    assert "Anyone on the network is root" in head
    assert "97.1% of the bytes explained" in head


def test_colour_is_only_there_when_asked_for(dossier: Dossier) -> None:
    assert "\x1b[" not in terminal.render(dossier)
    assert "\x1b[1;31m" in terminal.render(dossier, colour=True)


def test_the_device_cannot_send_escapes_even_where_colour_is_on(dossier: Dossier) -> None:
    assert "\x1b[2J" not in terminal.render(dossier, colour=True)
