import re

from customhouse.model import Dossier
from customhouse.reports import html


def test_text_of_the_device_cannot_become_markup(dossier: Dossier) -> None:
    page = html.render(dossier)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_page_needs_nothing_from_elsewhere(dossier: Dossier) -> None:
    page = html.render(dossier)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)""", page)
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_the_answer_comes_before_everything_else(dossier: Dossier) -> None:
    page = html.render(dossier)
    assert page.index("REFUSE") < page.index("What to do:") < page.index("What it is made of")
