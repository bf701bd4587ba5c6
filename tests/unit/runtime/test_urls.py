import pytest
from pydantic import SecretStr

from shared.runtime.urls import redacted, with_password


@pytest.mark.parametrize(
    ("url", "password", "whole"),
    [
        ("amqp://command@rabbit:5672/cqrs", "secret", "amqp://command:secret@rabbit:5672/cqrs"),
        ("amqp://command:old@rabbit/cqrs", "new", "amqp://command:new@rabbit/cqrs"),
        ("amqp://command@rabbit/%2F", "p@s:s/w#r?d %", "amqp://command:p%40s%3As%2Fw%23r%3Fd%20%25@rabbit/%2F"),
        ("amqp://command@rabbit", "pässword", "amqp://command:p%C3%A4ssword@rabbit"),
        (
            "mongodb://query@a:1,b:2/cqrs?replicaSet=rs0&w=majority",
            "x",
            "mongodb://query:x@a:1,b:2/cqrs?replicaSet=rs0&w=majority",
        ),
        ("postgresql+asyncpg://u%40x@[::1]:5432/db", "x", "postgresql+asyncpg://u%40x:x@[::1]:5432/db"),
        ("mongodb://localhost/?replicaSet=rs0", None, "mongodb://localhost/?replicaSet=rs0"),
    ],
)
def test_password_is_put_into_the_url_percent_encoded(url: str, password: str | None, whole: str) -> None:
    assert with_password(url, password) == whole
    assert with_password(SecretStr(url), SecretStr(password) if password is not None else None) == whole


def test_password_without_a_user_is_refused_without_telling_it() -> None:
    with pytest.raises(ValueError, match="amqp:// URL that names no user") as refused:
        with_password("amqp://rabbit/cqrs", "s3cret")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("can't reach amqp://u:pw@h:1/v now", "can't reach amqp://u:***@h:1/v now"),
        ("mongodb://u:p@ss:word@h,i/db", "mongodb://u:***@h,i/db"),
        ("http://u:a@x/ and http://v:b@y/", "http://u:***@x/ and http://v:***@y/"),
        ("amqp://user@host/ keeps its user", "amqp://user@host/ keeps its user"),
        ("no url: here@all", "no url: here@all"),
    ],
)
def test_passwords_of_urls_are_taken_out_of_text(text: str, safe: str) -> None:
    assert redacted(text) == safe
