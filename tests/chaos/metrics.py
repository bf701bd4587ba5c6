"""What the services themselves have counted."""

import asyncio
from collections.abc import Sequence

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


async def counted(urls: Sequence[str], sample: str, **labels: str) -> list[float | None]:
    """The sum of a sample's values with these labels, for each process; None for one that does not answer."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        return await asyncio.gather(*(_of(session, url, sample, labels) for url in urls))


async def _of(session: aiohttp.ClientSession, url: str, sample: str, labels: dict[str, str]) -> float | None:
    try:
        async with session.get(f"{url}/metrics") as response:
            text = await response.text()
    except (aiohttp.ClientError, TimeoutError):
        return None
    return sum(
        each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
        if each.name == sample and labels.items() <= each.labels.items()
    )
