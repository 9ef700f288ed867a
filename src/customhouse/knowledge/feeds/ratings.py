"""Feeds that rate flaws: CISA's list of exploited ones (JSON and CSV) and EPSS (CSV, gzip).

Sources: https://www.cisa.gov/known-exploited-vulnerabilities-catalog, https://www.first.org/epss/data_stats.
"""

import csv
import datetime
import gzip
import io
import re
import zlib
from pathlib import Path

import msgspec

from .errors import WrongSchema

_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_DATE = re.compile(r"score_date:(\d{4}-\d{2}-\d{2})")
MOST_TEXT = 512 << 20


class _Exploited(msgspec.Struct, frozen=True):
    cveID: str  # the feed's own name
    dateAdded: datetime.date


class _Catalog(msgspec.Struct, frozen=True):
    count: int
    vulnerabilities: list[_Exploited]
    dateReleased: str = ""
    catalogVersion: str = ""


def read_kev(path: Path) -> tuple[list[tuple[str, str]], datetime.date]:
    """(CVE, day added) of every entry, and the catalog's date. Raises WrongSchema."""
    content = path.read_bytes()
    if content.lstrip()[:1] == b"{":
        return _kev_json(content, path.name)
    return _kev_csv(content, path.name)


def _kev_json(content: bytes, name: str) -> tuple[list[tuple[str, str]], datetime.date]:
    try:
        catalog = msgspec.json.decode(content, type=_Catalog)
    except msgspec.DecodeError as error:
        raise WrongSchema(f"{name}: not the catalog of exploited vulnerabilities ({error})") from None
    if catalog.count != len(catalog.vulnerabilities):
        raise WrongSchema(f"{name}: says {catalog.count} entries and holds {len(catalog.vulnerabilities)}")
    rows = [(item.cveID, item.dateAdded.isoformat()) for item in catalog.vulnerabilities]
    return _checked(rows, name), _released(catalog.dateReleased, rows)


def _kev_csv(content: bytes, name: str) -> tuple[list[tuple[str, str]], datetime.date]:
    table = _table(content.decode("utf-8-sig", "replace"), ("cveID", "dateAdded"), name)
    try:
        rows = [(cve, datetime.date.fromisoformat(added).isoformat()) for cve, added in table]
    except ValueError as error:
        raise WrongSchema(f"{name}: {error}") from None
    return _checked(rows, name), _released("", rows)


def _table(text: str, columns: tuple[str, str], name: str) -> list[tuple[str, str]]:
    """Two columns of a CSV table with a head. Raises WrongSchema."""
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        if not reader.fieldnames or not set(columns) <= set(reader.fieldnames):
            raise WrongSchema(f"{name}: a table without the columns {' and '.join(columns)}")
        return [(row[columns[0]] or "", row[columns[1]] or "") for row in reader]
    except csv.Error as error:
        raise WrongSchema(f"{name}: not a table ({error})") from None


def _checked(rows: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    if not rows or not all(_CVE.fullmatch(cve) for cve, _ in rows):
        raise WrongSchema(f"{name}: empty, or an entry without a CVE")
    return rows


def _released(text: str, rows: list[tuple[str, str]]) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text[:10])
    except ValueError:
        return max(datetime.date.fromisoformat(added) for _, added in rows)


def read_epss(path: Path) -> tuple[list[tuple[str, float]], datetime.date]:
    """(CVE, probability) of every row, and the day of the scores. Raises WrongSchema."""
    text = unpacked(path).decode("utf-8", "replace")
    first, _, rest = text.partition("\n")
    dated = _DATE.search(first)
    if not dated:
        raise WrongSchema(f"{path.name}: not an EPSS table with the day of its scores")
    try:
        day = datetime.date.fromisoformat(dated[1])
        rows = [(cve, float(score)) for cve, score in _table(rest, ("cve", "epss"), path.name)]
    except ValueError as error:
        raise WrongSchema(f"{path.name}: {error}") from None
    if not rows or not all(_CVE.fullmatch(cve) and 0 <= score <= 1 for cve, score in rows):
        raise WrongSchema(f"{path.name}: empty, or a row without a CVE or a probability")
    return rows, day


def unpacked(path: Path) -> bytes:
    """The content of a gzip file, or of a plain one. Raises WrongSchema for a damaged or an endless one."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as handle:
            content = handle.read(MOST_TEXT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise WrongSchema(f"{path.name}: damaged ({error})") from None
    if len(content) > MOST_TEXT:
        raise WrongSchema(f"{path.name}: more than {MOST_TEXT} bytes unpacked")
    return content
