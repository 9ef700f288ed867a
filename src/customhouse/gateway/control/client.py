"""The command line's side of the API."""

from pathlib import Path
from typing import Any

import httpx

from customhouse.host.errors import CustomhouseError, InputError

DEFAULT_SOCKET = "/run/customhouse/gate.sock"


class GateClient:
    """Speaks to a running gate. Raises InputError with the gate's own words where it says no."""

    def __init__(self, path: str = DEFAULT_SOCKET) -> None:
        self._path = path
        self._client = httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://gate", timeout=30)

    def get(self, route: str, **parameters: str) -> Any:
        return self._said("GET", route, params=parameters)

    def post(self, route: str, value: Any = None) -> Any:
        return self._said("POST", route, json=value)

    def _said(self, method: str, route: str, **rest: Any) -> Any:
        try:
            response = self._client.request(method, route, **rest)
        except httpx.ConnectError:
            why = (
                "it does not run" if not Path(self._path).exists() else "it does not answer, or may not be asked by you"
            )
            raise InputError(
                f"no gate at {self._path}: {why}", "start it with `customhouse gate run --config gate.toml`"
            ) from None
        except httpx.HTTPError as trouble:
            raise CustomhouseError(f"the gate did not answer: {trouble}") from trouble
        if response.is_success:
            return response.json()
        try:
            told = response.json()
            raise InputError(str(told.get("error") or told.get("detail")), str(told.get("hint", "")))
        except ValueError:
            raise CustomhouseError(f"the gate failed: {response.status_code} {response.text[:200]}") from None
