"""make up, down, status, env, logs, clean on docker compose."""

from collections.abc import Callable


def engine_answers() -> bool:
    return False


def require_engine() -> None:
    raise NotImplementedError


def is_up() -> bool:
    return False


def up_or_else(_other: Callable[[], None]) -> None:
    raise NotImplementedError


def up() -> None:
    raise NotImplementedError


down = status = env = clean = up


def logs(part: str | None) -> None:
    raise NotImplementedError
