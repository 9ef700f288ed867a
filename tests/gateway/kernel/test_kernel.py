"""What a machine must have before it can hold devices."""

from pathlib import Path

import pytest

from customhouse.gateway.kernel import kernel


def test_a_machine_without_names_of_protocols_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernel, "PROTOCOLS", tmp_path / "protocols")
    assert any("netbase" in lack for lack in kernel.missing())
    (tmp_path / "protocols").write_text("udp 17 UDP\n", encoding="ascii")
    assert not any("netbase" in lack for lack in kernel.missing())
