from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from shared.runtime.settings import InvalidSettingsError, Port, ServiceSettings, Settings, load_settings


class ShopSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="SHOP_")

    http_port: Port = 8099
    amqp_url: SecretStr
    amqp_password: SecretStr | None = None
    batch_size: int = 100


@pytest.fixture(autouse=True)
def no_shop_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_AMQP_URL", "amqp://shop@rabbit/cqrs")


def faults_of(settings_type: type[Settings]) -> list[str]:
    with pytest.raises(InvalidSettingsError) as refused:
        load_settings(settings_type)
    return refused.value.lines


def test_values_come_from_the_environment_under_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_BATCH_SIZE", "7")
    settings = load_settings(ShopSettings)
    assert settings.batch_size == 7
    assert settings.amqp_url.get_secret_value() == "amqp://shop@rabbit/cqrs"
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8099)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_comes_from_the_file_that_its_variable_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str
) -> None:
    (tmp_path / "password").write_bytes(b" s3cret " + ending.encode())
    monkeypatch.setenv("SHOP_AMQP_PASSWORD_FILE", str(tmp_path / "password"))
    password = load_settings(ShopSettings).amqp_password
    assert password is not None
    assert password.get_secret_value() == " s3cret "


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_BATCH_SIZE", "")
    monkeypatch.setenv("SHOP_AMQP_PASSWORD_FILE", "")
    settings = load_settings(ShopSettings)
    assert (settings.batch_size, settings.amqp_password) == (100, None)


def test_every_faulty_setting_is_one_line_that_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_AMQP_URL")
    monkeypatch.setenv("SHOP_BATCH_SIZE", "many")
    monkeypatch.setenv("SHOP_HTTP_PORT", "70000")
    lines = faults_of(ShopSettings)
    assert len(lines) == 3
    assert any(line.startswith("SHOP_HTTP_PORT: ") for line in lines)
    assert any(line.startswith("SHOP_BATCH_SIZE: ") and "many" not in line for line in lines)
    assert "SHOP_AMQP_URL is not set (nor SHOP_AMQP_URL_FILE)" in lines


def test_variable_and_file_at_once_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHOP_AMQP_PASSWORD", "s3cret")
    monkeypatch.setenv("SHOP_AMQP_PASSWORD_FILE", str(tmp_path / "password"))
    assert faults_of(ShopSettings) == ["SHOP_AMQP_PASSWORD and SHOP_AMQP_PASSWORD_FILE are both set: keep one"]


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHOP_AMQP_PASSWORD_FILE", str(tmp_path / "absent"))
    (line,) = faults_of(ShopSettings)
    assert line == f"SHOP_AMQP_PASSWORD_FILE: can't read {tmp_path / 'absent'}: No such file or directory"


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_AMQP_PASSWORD", "s3cret")
    settings = load_settings(ShopSettings)
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in settings.model_dump_json()
