import os
from pathlib import Path

import pytest

from services.ops.errors import OpsError, UsageError
from services.ops.exit_code import ExitCode
from services.ops.settings import load_ops_settings, required
from services.ops.stack_environment import find_env_file, read_env_file


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin"}
    monkeypatch.setattr("os.environ", environment)
    monkeypatch.setattr("services.ops.stack_environment.PROJECT", tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)


def write_env(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "env"
    file.write_text(text)
    return file


def test_lines_of_a_shell_are_read(tmp_path: Path) -> None:
    file = write_env(tmp_path, "# made by make up\nexport CQRS_AMQP_URL='amqp://u:p%20w@h/cqrs'\nexport A=\"b c\"\n\n")
    assert read_env_file(file) == {"CQRS_AMQP_URL": "amqp://u:p%20w@h/cqrs", "A": "b c"}


def test_the_file_is_found_from_a_folder_below(tmp_path: Path) -> None:
    file = write_env(tmp_path / ".native", "")
    below = tmp_path / "tests" / "unit"
    below.mkdir(parents=True)
    assert find_env_file(below) == file


def test_a_stack_elsewhere_is_found_by_its_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_env(tmp_path / ".native", "")
    file = write_env(tmp_path / "other", "")
    monkeypatch.setitem(os.environ, "CQRS_STATE_DIR", str(tmp_path / "other"))
    assert find_env_file(tmp_path) == file


def test_what_is_set_comes_before_the_stacks_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_env(tmp_path / ".native", "export CQRS_AMQP_URL='amqp://file/'\nexport CQRS_QUERY_HTTP_URL='http://file'\n")
    monkeypatch.setitem(os.environ, "CQRS_AMQP_URL", "amqp://set/")
    settings = load_ops_settings()
    assert required(settings, "amqp_url") == "amqp://set/"
    assert required(settings, "query_http_url") == "http://file"


def test_a_missing_setting_says_how_to_get_it() -> None:
    with pytest.raises(UsageError, match=r"CQRS_AMQP_URL is not set, .* `make up`"):
        required(load_ops_settings(), "amqp_url")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    file = write_env(tmp_path / ".native", "export CQRS_AMQP_URL='half\n")
    with pytest.raises(OpsError, match=f"can't read {file}") as refused:
        load_ops_settings()
    assert refused.value.exit_code == ExitCode.USAGE
