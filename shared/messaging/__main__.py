"""`python -m shared.messaging`: sets the broker up, once; doing it again is harmless."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.messaging.setup import SetupError, set_up_broker
from shared.messaging.topology import DEFAULT_PARTITIONS, ProjectionQueue, topology
from shared.runtime.run import run_job
from shared.runtime.settings import Settings, with_password

HELP = """\
Brings a RabbitMQ broker (3.10 to 4.3, with the plugins management and consistent_hash_exchange) to what the services
need: vhost, users and their rights, policies, exchanges, queues and bindings. Harmless when it is all there already.

Environment (each password also as NAME_FILE, the path of a file that holds it):
  BROKER_ADMIN_AMQP_URL      amqp://admin@host:5672/cqrs: an administrator, and the vhost to set up
  BROKER_ADMIN_AMQP_PASSWORD   its password, unless it stands in the URL
  BROKER_API_URL             http://admin@host:15672: the management API
  BROKER_API_PASSWORD          its password, unless it stands in the URL
  BROKER_COMMAND_PASSWORD    passwords for the users command, query, client and ops;
  BROKER_QUERY_PASSWORD        a user without one is left alone
  BROKER_CLIENT_PASSWORD
  BROKER_OPS_PASSWORD
  BROKER_PROJECTIONS         module:name of a tuple of ProjectionQueue, one for each read model, such as
                               services.query.bootstrap:PROJECTION_QUEUES
  BROKER_PARTITIONS          how many queues commands are spread over (8); can grow, not shrink

Exit codes: 0 done, 1 failed (one line says why), 2 bad settings.
"""


class BrokerSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="BROKER_")

    admin_amqp_url: SecretStr
    admin_amqp_password: SecretStr | None = None
    api_url: SecretStr
    api_password: SecretStr | None = None
    command_password: SecretStr | None = None
    query_password: SecretStr | None = None
    client_password: SecretStr | None = None
    ops_password: SecretStr | None = None
    partitions: int = Field(default=DEFAULT_PARTITIONS, ge=1, le=256)
    projections: str


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m shared.messaging", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    return run_job(BrokerSettings, _set_up)


async def _set_up(settings: BrokerSettings) -> None:
    passwords = {
        "command": settings.command_password,
        "query": settings.query_password,
        "client": settings.client_password,
        "ops": settings.ops_password,
    }
    await set_up_broker(
        topology(partitions=settings.partitions, projections=_projections(settings.projections)),
        amqp_url=with_password(settings.admin_amqp_url, settings.admin_amqp_password),
        api_url=with_password(settings.api_url, settings.api_password),
        passwords={user: password.get_secret_value() for user, password in passwords.items() if password},
        progress=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201 - what the operator waits for
    )


def _projections(reference: str) -> Sequence[ProjectionQueue]:
    """Read models are the query service's, and messaging knows no service: so they come by name."""
    module, _, name = reference.partition(":")
    try:
        found: Sequence[ProjectionQueue] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SetupError(f"BROKER_PROJECTIONS: no {reference!r} to import") from error
    return found


if __name__ == "__main__":
    sys.exit(main())
