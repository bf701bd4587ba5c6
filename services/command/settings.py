"""Settings of the command service: environment variables `COMMAND_…`."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.command.postgres.url import PostgresUrl
from shared.messaging.topology import DEFAULT_PARTITIONS
from shared.messaging.transport_path import TransportPath
from shared.runtime.settings import ServiceSettings, with_password


class CommandSettings(ServiceSettings):
    """Times are in seconds. `publish_timeout` below `outbox_grace`, or the sweep repeats what is still under way."""

    model_config = SettingsConfigDict(env_prefix="COMMAND_")

    amqp_url: SecretStr
    amqp_password: SecretStr | None = None
    postgres_url: PostgresUrl
    postgres_password: SecretStr | None = None

    transport: TransportPath = TransportPath.FAST
    """`plain` takes messages through aiormq, a frame at a time: slower, and there in case of doubt."""
    partitions: int = Field(default=DEFAULT_PARTITIONS, ge=1, le=1024)
    batch_size: int = Field(default=500, ge=1, le=5000)
    batch_linger: float = Field(default=0.012, ge=0, le=1)
    """How long a batch gathers while many commands come; the fewer come, the shorter."""
    prefetch: int = Field(default=500, ge=1, le=65535)
    """Messages of each partition that are in memory at most."""
    publish_timeout: float = Field(default=4.0, gt=0)
    outbox_grace: float = Field(default=5.0, gt=0)
    outbox_interval: float = Field(default=1.0, gt=0)

    @property
    def amqp(self) -> str:
        return with_password(self.amqp_url, self.amqp_password)

    @property
    def postgres(self) -> str:
        return with_password(self.postgres_url, self.postgres_password)
