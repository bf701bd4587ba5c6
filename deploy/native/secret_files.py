"""Passwords as files: one secret per file, the same names as docker-compose.yml's secrets."""

import base64
import os
import secrets
from pathlib import Path

NAMES = (
    "rabbitmq_admin_password",
    "rabbitmq_command_password",
    "rabbitmq_query_password",
    "rabbitmq_client_password",
    "rabbitmq_ops_password",
    "postgres_admin_password",
    "postgres_command_password",
    "postgres_ops_password",
    "mongo_admin_password",
    "mongo_query_password",
    "mongo_keyfile",
)


def make_secrets(folder: Path, mode: int = 0o600) -> None:
    """Writes every secret that is missing, at random. What exists stays."""
    for name in NAMES:
        file = folder / name
        if file.exists():
            continue
        value = base64.b64encode(os.urandom(96)).decode() if name == "mongo_keyfile" else secrets.token_urlsafe(24)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as opened:
            opened.write(value + "\n")


def read_secret(folder: Path, name: str) -> str:
    return (folder / name).read_text().strip()
