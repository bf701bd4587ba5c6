"""Our own processes: the one-shot set-up jobs and the services, with the environment each is given."""

import os
import urllib.request
from urllib.error import HTTPError

from deploy.native import mongodb, postgresql, rabbitmq
from deploy.native.layout import Layout
from deploy.native.part import Part

VHOST = "cqrs"
MONGO_DATABASE = "cqrs"

# module → title, in no order: each job knows one server only
SETUP_JOBS = {
    "shared.messaging": "users, permissions and topology of RabbitMQ",
    "services.command.setup": "roles and migrations of PostgreSQL",
    "services.query.setup": "users and indexes of MongoDB",
}


def setup_environment(layout: Layout) -> dict[str, str]:
    """What the set-up jobs need: administrators' rights, and the passwords of the users they make."""
    return os.environ | {
        "BROKER_ADMIN_AMQP_URL": f"amqp://{rabbitmq.ADMIN}@127.0.0.1:{layout.amqp_port}/{VHOST}",
        "BROKER_ADMIN_AMQP_PASSWORD_FILE": _secret(layout, "rabbitmq_admin_password"),
        "BROKER_API_URL": f"http://{rabbitmq.ADMIN}@127.0.0.1:{layout.management_port}",
        "BROKER_API_PASSWORD_FILE": _secret(layout, "rabbitmq_admin_password"),
        "BROKER_COMMAND_PASSWORD_FILE": _secret(layout, "rabbitmq_command_password"),
        "BROKER_QUERY_PASSWORD_FILE": _secret(layout, "rabbitmq_query_password"),
        "BROKER_CLIENT_PASSWORD_FILE": _secret(layout, "rabbitmq_client_password"),
        "BROKER_OPS_PASSWORD_FILE": _secret(layout, "rabbitmq_ops_password"),
        "BROKER_PROJECTIONS": "services.query.bootstrap:PROJECTION_QUEUES",
        "COMMAND_SETUP_POSTGRES_URL": _postgres_url(layout, postgresql.ADMIN),
        "COMMAND_SETUP_POSTGRES_PASSWORD_FILE": _secret(layout, "postgres_admin_password"),
        "COMMAND_SETUP_SERVICE_PASSWORD_FILE": _secret(layout, "postgres_command_password"),
        "COMMAND_SETUP_OPS_PASSWORD_FILE": _secret(layout, "postgres_ops_password"),
        "QUERY_SETUP_MONGO_URL": _mongo_url(layout, mongodb.ADMIN) + "&authSource=admin",
        "QUERY_SETUP_MONGO_PASSWORD_FILE": _secret(layout, "mongo_admin_password"),
        "QUERY_SETUP_SERVICE_PASSWORD_FILE": _secret(layout, "mongo_query_password"),
    }


def command_service(layout: Layout, replica: int) -> Part:
    return _service(
        layout,
        "command",
        replica,
        layout.command_http_port(replica),
        {
            "COMMAND_AMQP_URL": f"amqp://command@127.0.0.1:{layout.amqp_port}/{VHOST}",
            "COMMAND_AMQP_PASSWORD_FILE": _secret(layout, "rabbitmq_command_password"),
            "COMMAND_POSTGRES_URL": _postgres_url(layout, "command"),
            "COMMAND_POSTGRES_PASSWORD_FILE": _secret(layout, "postgres_command_password"),
        },
    )


def query_service(layout: Layout, replica: int) -> Part:
    return _service(
        layout,
        "query",
        replica,
        layout.query_http_port(replica),
        {
            "QUERY_AMQP_URL": f"amqp://query@127.0.0.1:{layout.amqp_port}/{VHOST}",
            "QUERY_AMQP_PASSWORD_FILE": _secret(layout, "rabbitmq_query_password"),
            "QUERY_MONGO_URL": _mongo_url(layout, "query"),
            "QUERY_MONGO_PASSWORD_FILE": _secret(layout, "mongo_query_password"),
        },
    )


ALLOCATION = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""As in the image: what a large batch has taken goes back to the system, instead of staying in pieces."""


def _service(layout: Layout, service: str, replica: int, port: int, env: dict[str, str]) -> Part:
    prefix = service.upper()
    return Part(
        name=f"{service}-{replica}",
        title=f"{service} service {replica}",
        argv=[str(layout.python), "-m", f"services.{service}"],
        env=os.environ | ALLOCATION | env | {f"{prefix}_HTTP_HOST": "127.0.0.1", f"{prefix}_HTTP_PORT": str(port)},
        ports={port: f"{service} service {replica}, health and metrics"},
        not_ready=lambda: _not_ready(port),
        start_timeout=45,
    )


def _not_ready(port: int) -> str | None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return None
    except HTTPError as error:
        return f"/readyz answers {error.code}: {error.read(300).decode(errors='replace').strip()}"
    except OSError:
        return "/readyz does not answer"


def _postgres_url(layout: Layout, user: str) -> str:
    return f"postgresql+asyncpg://{user}@127.0.0.1:{layout.postgres_port}/{postgresql.DATABASE}"


def _mongo_url(layout: Layout, user: str) -> str:
    return f"mongodb://{user}@127.0.0.1:{layout.mongo_port}/{MONGO_DATABASE}?replicaSet={mongodb.REPLICA_SET}"


def _secret(layout: Layout, name: str) -> str:
    return str(layout.secrets / name)
