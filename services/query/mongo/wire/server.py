"""Which server is to be read from, and as whom."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from pymongo.topology_description import TopologyDescription
from pymongo.uri_parser import parse_uri

MECHANISM: Final = "SCRAM-SHA-256"
_SCHEME = "mongodb"
_NOT_OURS = ("tls", "loadbalanced")

Address = tuple[str, int | None]


@dataclass(frozen=True, slots=True)
class Credentials:
    user: str
    password: str = field(repr=False)
    source: str


class UnreadableUrlError(ValueError):
    """The URL asks for what only pymongo does; the message says what."""


def credentials_of(url: str) -> Credentials | None:
    """None where nobody logs in. Raises UnreadableUrlError."""
    if urlsplit(url).scheme != _SCHEME:
        raise UnreadableUrlError("servers that are found by DNS")
    parsed = parse_uri(url)
    options = {name.lower(): value for name, value in parsed["options"].items()}
    for name in _NOT_OURS:
        if options.get(name):
            raise UnreadableUrlError(name)
    mechanism = options.get("authmechanism", MECHANISM)
    if mechanism != MECHANISM:
        raise UnreadableUrlError(f"authentication by {mechanism}")
    if not parsed["username"]:
        return None
    source = options.get("authsource") or parsed["database"] or "admin"
    return Credentials(parsed["username"], parsed["password"] or "", source)


def primary_of(topology: TopologyDescription) -> Address | None:
    """Where writes go, as pymongo sees it now; None where there is no such server, or more than one."""
    servers = [each for each in topology.server_descriptions().values() if each.is_writable]
    return servers[0].address if len(servers) == 1 else None
