"""Where the system is that `cqrs` works with."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from services.ops.errors import OpsError, UsageError
from services.ops.exit_code import ExitCode
from services.ops.stack_environment import find_env_file, read_env_file
from shared.runtime.settings import InvalidSettingsError, Settings, load_settings

PREFIX = "CQRS_"


class OpsSettings(Settings):
    """Each command asks for what it needs with `required`; the others may be missing."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    amqp_url: SecretStr | None = None
    ops_amqp_url: SecretStr | None = None
    admin_amqp_url: SecretStr | None = None
    rabbitmq_api_url: SecretStr | None = None
    postgres_url: SecretStr | None = None
    mongo_url: SecretStr | None = None
    command_http_url: str | None = None
    query_http_url: str | None = None


def load_ops_settings() -> OpsSettings:
    """From the environment; what is not set there from the stack of this project. Raises OpsError."""
    file = find_env_file(Path.cwd())
    try:
        return load_settings(OpsSettings, **_not_in_environment(read_env_file(file) if file else {}))
    except InvalidSettingsError as error:
        raise UsageError("; ".join(error.lines)) from error
    except (OSError, ValueError) as error:
        raise OpsError(f"can't read {file}: {error}", ExitCode.USAGE) from error


def required(settings: OpsSettings, name: str) -> str:
    """The setting's value. Raises UsageError, saying how to provide it, when there is none."""
    value = getattr(settings, name)
    if value is None:
        raise UsageError(
            f"{PREFIX}{name.upper()} is not set, and no running stack was found from here: "
            'start one with `make up`, or set it with `eval "$(make -s env)"`'
        )
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _not_in_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Those that are settings of ours, by the name of the field."""
    return {
        field: variables[name]
        for field in OpsSettings.model_fields
        if (name := f"{PREFIX}{field.upper()}") in variables
        and not os.environ.get(name)
        and not os.environ.get(f"{name}_FILE")
    }
