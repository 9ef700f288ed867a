"""Kernels that get fixes, and kernels that do not."""

from datetime import date

import pytest
from tests.firmware.conftest import MadeDevice

from customhouse.firmware.checks.kernel_age import KernelAge, branch_of, branches
from customhouse.model import Severity

TODAY = date(2026, 7, 20)


@pytest.mark.parametrize(
    ("version", "severity"),
    [
        ("2.6.31", Severity.HIGH),
        ("3.10.14", Severity.HIGH),
        ("4.4.92", Severity.HIGH),
        ("4.19.200", Severity.MEDIUM),
        ("5.4.200", Severity.MEDIUM),
        ("6.12.4", None),
        ("5.10.1", None),
        ("6.99.1", None),
    ],
)
def test_a_branch_past_its_end_is_found(device: MadeDevice, version: str, severity: Severity | None) -> None:
    device.volume("kernel", "uimage", kernel_version=f"Linux-{version}")
    found = list(KernelAge().findings_on(device.facts(), TODAY))
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(version in finding.title and finding.evidence for finding in found)


def test_without_a_day_or_a_kernel_nothing_is_said(device: MadeDevice) -> None:
    assert not list(KernelAge().findings_on(device.facts(), TODAY))
    device.volume("kernel", "uimage", kernel_version="Linux-2.6.31")
    assert not list(KernelAge().findings(device.facts()))


def test_the_table_is_in_order_and_its_ends_lie_behind_its_beginnings() -> None:
    rows = list(branches().values())
    assert [row.released for row in rows] == sorted(row.released for row in rows)
    assert all(row.end is None or row.end > row.released for row in rows)
    assert sum(row.end is None for row in rows) <= 1


def test_versions_name_their_branch() -> None:
    found = [branch_of(version) for version in ("2.6.21.5", "4.4.92", "4.14", "2.4.20")]
    assert [branch.name if branch else "" for branch in found] == ["2.6.21", "4.4", "4.14", "2.4"]
