"""Settings of a program, read from its environment when it starts."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from shared.runtime.urls import with_password

__all__ = ["InvalidSettingsError", "Port", "ServiceSettings", "Settings", "load_settings", "with_password"]

SettingsT = TypeVar("SettingsT", bound="Settings")

Port: TypeAlias = Annotated[int, Field(ge=0, le=65535)]


class InvalidSettingsError(Exception):
    """One line for each faulty setting; names the variable and never its value."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


class Settings(BaseSettings):
    """Base of all settings. A subclass gives its `env_prefix`: field `amqp_url` is then read from `<PREFIX>AMQP_URL`.

    Every field may come from a file instead, named by `<PREFIX><NAME>_FILE`; one trailing newline of the file is not
    part of the value. An empty variable counts as not set. Passwords, and URLs that may hold one, are `SecretStr`.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _NamedFiles(settings_cls)


class ServiceSettings(Settings):
    """What every long-running service has: the address of its health server, and its time to finish.

    `drain_seconds` is how long work in hand may take after SIGTERM before it is dropped (it is done again later).
    """

    http_host: str = "127.0.0.1"
    http_port: Port
    drain_seconds: float = Field(default=20.0, gt=0)


def load_settings(settings_type: type[SettingsT], **given: Any) -> SettingsT:
    """Reads the environment; what is `given`, by the name of its field, counts more. Raises InvalidSettingsError."""
    prefix = _prefix(settings_type)
    try:
        return settings_type(**given)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        lines = [_line(prefix, fault["loc"], fault["type"], fault["msg"]) for fault in faults]
        raise InvalidSettingsError(lines) from None
    except SourceError as error:
        raise InvalidSettingsError([str(error)]) from None


def _line(prefix: str, location: tuple[int | str, ...], kind: str, message: str) -> str:
    if not location:
        return message.removeprefix("Value error, ")
    variable = f"{prefix}{location[0]}".upper()
    if kind == "missing":
        return f"{variable} is not set (nor {variable}_FILE)"
    return f"{variable}: {message.removeprefix('Value error, ')}"


def _prefix(settings_type: type[BaseSettings]) -> str:
    return settings_type.model_config.get("env_prefix", "")


class _NamedFiles(PydanticBaseSettingsSource):
    """Values from the files that `<NAME>_FILE` variables name: how Docker and Kubernetes hand over secrets."""

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        faults: list[str] = []
        for name, field in self.settings_cls.model_fields.items():
            try:
                value, key, _ = self.get_field_value(field, name)
            except ValueError as fault:
                faults.append(str(fault))
                continue
            if value is not None:
                values[key] = value
        if faults:
            raise InvalidSettingsError(faults)
        return values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{_prefix(self.settings_cls)}{field_name}".upper()
        file = os.environ.get(f"{variable}_FILE")
        if not file:
            return None, field_name, False
        if os.environ.get(variable):
            raise ValueError(f"{variable} and {variable}_FILE are both set: keep one")
        try:
            text = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ValueError(f"{variable}_FILE: can't read {file}: {why}") from None
        return text.removesuffix("\n").removesuffix("\r"), field_name, False
