"""Brings a broker to what topology.py says: the one-shot set-up job, with rights that the services lack."""

from collections.abc import Callable, Mapping

from shared.messaging.topology import Topology


class SetupError(Exception):
    """The broker can't be set up; one clear line that says what to do, without secrets."""


async def set_up_broker(
    topology: Topology,
    *,
    amqp_url: str,
    api_url: str,
    passwords: Mapping[str, str],
    progress: Callable[[str], None] = lambda line: None,
) -> None:
    """Makes vhost, users, rights, policies, exchanges, queues and bindings; doing it again is harmless.

    The vhost is the path of `amqp_url`; `passwords` maps user names to passwords.

    Both URLs carry an administrator's credentials. Rights are set for the users in `passwords` only. Raises SetupError.
    """
    raise NotImplementedError
