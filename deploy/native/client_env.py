"""What clients and operators need to reach the stack: the CQRS_* variables of `make env`."""

from urllib.parse import quote

from deploy.native import mongodb, postgresql, rabbitmq
from deploy.native.layout import Layout
from deploy.native.secret_files import read_secret
from deploy.native.services import MONGO_DATABASE, VHOST


def client_env(layout: Layout) -> dict[str, str]:
    """CQRS_AMQP_URL is a client's, the others are an operator's; HTTP addresses are those of the first processes."""
    return {
        "CQRS_AMQP_URL": f"amqp://client:{_password(layout, 'rabbitmq_client')}@127.0.0.1:{layout.amqp_port}/{VHOST}",
        "CQRS_OPS_AMQP_URL": f"amqp://ops:{_password(layout, 'rabbitmq_ops')}@127.0.0.1:{layout.amqp_port}/{VHOST}",
        "CQRS_ADMIN_AMQP_URL": f"{_admin(layout, 'amqp')}@127.0.0.1:{layout.amqp_port}/{VHOST}",
        "CQRS_RABBITMQ_API_URL": f"{_admin(layout, 'http')}@127.0.0.1:{layout.management_port}",
        "CQRS_POSTGRES_URL": f"postgresql+asyncpg://ops:{_password(layout, 'postgres_ops')}"
        f"@127.0.0.1:{layout.postgres_port}/{postgresql.DATABASE}",
        "CQRS_MONGO_URL": f"mongodb://query:{_password(layout, 'mongo_query')}"
        f"@127.0.0.1:{layout.mongo_port}/{MONGO_DATABASE}?replicaSet={mongodb.REPLICA_SET}",
        "CQRS_COMMAND_HTTP_URL": f"http://127.0.0.1:{layout.command_http_port(1)}",
        "CQRS_QUERY_HTTP_URL": f"http://127.0.0.1:{layout.query_http_port(1)}",
    }


def admin_urls(layout: Layout) -> dict[str, str]:
    """Administrators' URLs of the three servers, for tests that make vhosts and databases of their own."""
    return {
        "amqp": f"{_admin(layout, 'amqp')}@127.0.0.1:{layout.amqp_port}/",
        "rabbitmq_api": f"{_admin(layout, 'http')}@127.0.0.1:{layout.management_port}",
        "postgres": f"postgresql+asyncpg://{postgresql.ADMIN}:{_password(layout, 'postgres_admin')}"
        f"@127.0.0.1:{layout.postgres_port}/postgres",
        "mongo": f"mongodb://{mongodb.ADMIN}:{_password(layout, 'mongo_admin')}"
        f"@127.0.0.1:{layout.mongo_port}/?replicaSet={mongodb.REPLICA_SET}&authSource=admin",
    }


def write_env(layout: Layout, env: dict[str, str]) -> str:
    """Writes the shell lines to the stack's folder, where `cqrs` finds them, and gives them."""
    lines = "".join(f"export {name}='{value}'\n" for name, value in env.items())
    layout.state.mkdir(parents=True, exist_ok=True)
    file = layout.state / "env"
    file.touch(mode=0o600)
    file.write_text(lines)
    return lines


def _admin(layout: Layout, scheme: str) -> str:
    return f"{scheme}://{rabbitmq.ADMIN}:{_password(layout, 'rabbitmq_admin')}"


def _password(layout: Layout, name: str) -> str:
    return quote(read_secret(layout.secrets, f"{name}_password"), safe="")
