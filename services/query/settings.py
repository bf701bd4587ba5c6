"""What the query service reads from its environment."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.query.mongo.read_path import ReadPath
from shared.messaging.transport_path import TransportPath
from shared.runtime.settings import ServiceSettings, Settings
from shared.runtime.urls import with_password


class QuerySettings(ServiceSettings):
    """`QUERY_AMQP_URL`, `QUERY_MONGO_URL`, `QUERY_HTTP_PORT` …; a URL's password may come apart from it."""

    model_config = SettingsConfigDict(env_prefix="QUERY_")

    amqp_url: SecretStr
    amqp_password: SecretStr | None = None
    mongo_url: SecretStr
    mongo_password: SecretStr | None = None
    transport: TransportPath = TransportPath.FAST
    """`plain` takes messages through aiormq, a frame at a time: slower, and there in case of doubt."""
    mongo_reads: ReadPath = ReadPath.FAST
    """`plain` reads by pymongo alone: slower, and there in case of doubt."""
    batch_size: int = Field(default=1500, ge=1, le=5000)
    """Messages that a projector writes at once, at most."""
    prefetch: int = Field(default=4500, ge=1, le=65535)
    """Messages on their way to one projector: those that it writes, those that it reads, and those that arrive."""
    max_linger_ms: float = Field(default=200.0, ge=0, le=1000)
    """How long a projector waits for more events at most, while they keep coming; read models that are asked for single
    users wait less."""
    max_concurrent_queries: int = Field(default=512, ge=1)
    event_log_timeout_seconds: float = Field(default=10.0, gt=0)
    catalogue_lease_seconds: float = Field(default=5.0, gt=0)
    """How long a process goes by what it has read in the catalogue; the same for all. A change of generations takes
    three times as long.
    """
    max_live_queries: int = Field(default=2_000, ge=0)
    """That this process follows."""
    max_live_queries_per_asker: int = Field(default=500, ge=0)
    """Of them with the same reply address."""

    @property
    def broker(self) -> str:
        return with_password(self.amqp_url, self.amqp_password)

    @property
    def mongo(self) -> str:
        return with_password(self.mongo_url, self.mongo_password)


class SetupSettings(Settings):
    """What the one-shot set-up job reads: it acts as MongoDB's administrator."""

    model_config = SettingsConfigDict(env_prefix="QUERY_SETUP_")

    mongo_url: SecretStr
    mongo_password: SecretStr | None = None
    member_host: str | None = None
    """`host:port` under which the replica set is initiated; by default the one of the URL."""
    database: str = Field(default="cqrs", min_length=1, max_length=63)
    service_user: str = Field(default="query", min_length=1)
    service_password: SecretStr | None = None
    """Password of the service's user. Without one no user is made: for a server without access control."""
    wait_seconds: float = Field(default=60.0, gt=0)
    """How long to wait for the server, and then for its primary."""

    @property
    def mongo(self) -> str:
        return with_password(self.mongo_url, self.mongo_password)
