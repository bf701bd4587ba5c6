"""Ports on the loopback interface: free or taken, and by whom."""

import socket
import time
from contextlib import suppress
from pathlib import Path

from deploy.native.errors import StackError

_PATIENCE_SECONDS = 1.0


def require_free(ports: dict[int, str], base: int) -> None:
    """`ports` maps each port to what it is for. Raises StackError that names the first one taken."""
    for port, purpose in ports.items():
        if not _becomes_free(port):
            owner = _owner(port)
            by = f"by {owner}" if owner else "by another program"
            other = base + 1000 if base + 1000 < 31000 else 20000
            raise StackError(
                f"port {port} ({purpose}) is taken {by}: stop it, or choose other ports: make up CQRS_PORT_BASE={other}"
            )


def _becomes_free(port: int) -> bool:
    """A process that has just ended may hold its port a moment longer."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Does something on 127.0.0.1 accept connections there?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _owner(port: int) -> str:
    """`name (pid N)` of the listener, as far as this user may see it."""
    inodes = {
        fields[9]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for fields in (line.split() for line in Path(table).read_text().splitlines()[1:])
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
    }
    for process in Path("/proc").iterdir() if inodes else ():
        if process.name.isdigit() and not inodes.isdisjoint(_sockets(process)):
            return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _sockets(process: Path) -> set[str]:
    """Inodes of the sockets it holds; none when it is another user's, or gone."""
    held = set()
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                held.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    return held
