"""The few calls of RabbitMQ's management API that set-up needs. <https://www.rabbitmq.com/docs/http-api-reference>"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

UNAUTHORIZED: Final = 401
NOT_FOUND: Final = 404
FIRST_ERROR: Final = 400
REQUEST_SECONDS: Final = 30.0


class ManagementApiError(Exception):
    """The management API said no. `status` is HTTP's; the text holds the broker's reason and no secret."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ManagementApi:
    """`async with ManagementApi("http://user:password@host:15672") as api: await api.get("overview")`.

    Parts of a path are quoted here: a vhost may be called `/`. Raises ManagementApiError, aiohttp.ClientError and
    TimeoutError.
    """

    def __init__(self, url: str) -> None:
        address = URL(url)
        self._base = address.with_user(None) / "api"
        self._login = aiohttp.encode_basic_auth(address.user or "guest", address.password or "guest")

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": self._login}, timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, *path: str) -> Any:
        return await self._request("GET", path)

    async def put(self, *path: str, body: Mapping[str, Any]) -> None:
        await self._request("PUT", path, body)

    async def delete(self, *path: str) -> None:
        await self._request("DELETE", path)

    async def _request(self, method: str, path: tuple[str, ...], body: Mapping[str, Any] | None = None) -> Any:
        url = URL(f"{self._base}/{'/'.join(quote(part, safe='') for part in path)}", encoded=True)
        async with self._session.request(method, url, json=body) as response:
            if response.status >= FIRST_ERROR:
                raise ManagementApiError(response.status, f"{method} {'/'.join(path)}: {await _reason(response)}")
            return await response.json() if response.content_type == "application/json" else None


async def _reason(response: aiohttp.ClientResponse) -> str:
    try:
        answer = await response.json()
        return str(answer.get("reason") or answer.get("error"))
    except (aiohttp.ClientError, ValueError, AttributeError):
        return f"HTTP status {response.status}"
