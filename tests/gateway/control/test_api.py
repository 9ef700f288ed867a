"""The API over a real Unix socket, with the command line's own client."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from customhouse.gateway.control.api import application
from customhouse.gateway.control.client import GateClient
from customhouse.gateway.control.gate import Gate
from customhouse.host.errors import InputError

CAMERA = "02:00:00:00:00:01"


def with_client(gate: Gate, path: Path, scene: Callable[[GateClient], Any]) -> Any:
    async def run() -> Any:
        await gate.arrived(CAMERA, "192.168.20.9")
        server = uvicorn.Server(uvicorn.Config(application(gate), uds=str(path), log_level="error", lifespan="off"))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            return await asyncio.to_thread(scene, GateClient(str(path)))
        finally:
            server.should_exit = True
            await task

    return asyncio.run(run())


def test_the_owner_approves_and_asks_why(gate: Gate, tmp_path: Path) -> None:
    def scene(client: GateClient) -> None:
        [device] = client.get("/devices")
        assert device["mode"] == "held" and device["addresses"] == ["192.168.20.9"]
        said = client.post(f"/devices/{CAMERA}/approve", {"host": "cloud.example.org", "seconds": 60})
        assert "may reach" in said["text"]
        assert client.get(f"/devices/{CAMERA}/why", host="cloud.example.org")["allowed"]
        client.post(f"/devices/{CAMERA}/quarantine", {"text": "odd"})
        assert not client.get(f"/devices/{CAMERA}/why", host="cloud.example.org")["allowed"]
        assert "back under" in client.post(f"/devices/{CAMERA}/release")["text"]

    with_client(gate, tmp_path / "gate.sock", scene)


def test_an_unknown_device_is_said_to_be_one(gate: Gate, tmp_path: Path) -> None:
    def scene(client: GateClient) -> None:
        with pytest.raises(InputError, match="fridge"):
            client.post("/devices/fridge/release")

    with_client(gate, tmp_path / "gate.sock", scene)


def test_a_gate_that_does_not_run_is_said_not_to(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not run"):
        GateClient(str(tmp_path / "none.sock")).get("/devices")
