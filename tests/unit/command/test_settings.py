import pytest

from services.command.settings import CommandSettings
from shared.runtime.settings import InvalidSettingsError, load_settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMAND_AMQP_URL", "amqp://command@localhost/cqrs")
    monkeypatch.setenv("COMMAND_POSTGRES_URL", "postgresql+asyncpg://command@localhost/cqrs")
    monkeypatch.setenv("COMMAND_HTTP_PORT", "8080")


def test_passwords_come_apart_from_their_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMAND_POSTGRES_PASSWORD", "p/w")
    monkeypatch.setenv("COMMAND_AMQP_PASSWORD", "a@b")
    settings = load_settings(CommandSettings)
    assert settings.postgres == "postgresql+asyncpg://command:p%2Fw@localhost/cqrs"
    assert settings.amqp == "amqp://command:a%40b@localhost/cqrs"


@pytest.mark.parametrize("url", ["nonsense", "postgresql://command@localhost/cqrs", "postgresql+asyncpg://localhost"])
def test_a_url_that_is_not_for_our_driver_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("COMMAND_POSTGRES_URL", url)
    with pytest.raises(InvalidSettingsError) as failure:
        load_settings(CommandSettings)
    assert failure.value.lines == ["COMMAND_POSTGRES_URL: must look like postgresql+asyncpg://user@host:5432/database"]
