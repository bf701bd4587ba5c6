import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.runtime.logging import configure_logging, log_through_standard_library


@pytest.fixture(autouse=True)
def logging_left_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for package in ("services", "shared"):
        logging.getLogger(package).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_logger_and_ids() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    structlog.stdlib.get_logger("services.shop").info("opened", shop_id=7)
    (line,) = lines_of(stream)
    assert line.pop("time").endswith("Z")
    assert line == {"event": "opened", "level": "info", "logger": "services.shop", "shop_id": 7}


def test_what_is_below_the_level_is_left_out() -> None:
    stream = io.StringIO()
    configure_logging("warning", "json", stream)
    structlog.stdlib.get_logger("services.shop").info("opened")
    assert stream.getvalue() == ""


def test_libraries_log_the_same_way_but_only_warnings() -> None:
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    logging.getLogger("pymongo.command").debug('{"insert": "payload"}')
    logging.getLogger("asyncpg").warning("connection %s lost", "amqp://u:pw@h/")
    (line,) = lines_of(stream)
    assert (line["event"], line["level"], line["logger"]) == ("connection amqp://u:***@h/ lost", "warning", "asyncpg")


def test_the_broker_library_is_silent_because_we_log_each_lost_connection_ourselves() -> None:
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    logging.getLogger("aiormq.connection").error("reader task failed", exc_info=OSError("gone"))
    assert stream.getvalue() == ""


def test_a_traceback_is_one_line_without_passwords() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    try:
        raise OSError("no route to amqp://u:s3cret@h/")
    except OSError:
        structlog.stdlib.get_logger("services.shop").exception("crashed")
    (line,) = lines_of(stream)
    assert "OSError: no route to amqp://u:***@h/" in line["exception"]
    assert "s3cret" not in stream.getvalue()


def test_console_form_is_for_people() -> None:
    stream = io.StringIO()
    configure_logging("info", "console", stream)
    try:
        raise OSError("no route")
    except OSError:
        structlog.stdlib.get_logger("services.shop").exception("crashed", shop_id=7)
    assert "shop_id=7" in stream.getvalue()
    assert "OSError: no route" in stream.getvalue()


def test_a_program_that_configures_nothing_keeps_its_own_logging(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    structlog.reset_defaults()
    log_through_standard_library()
    logger = structlog.stdlib.get_logger("services.shop")
    logger.info("opened")
    logger.warning("lost", shop_id=7)
    assert capsys.readouterr().out == ""
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("services.shop", "lost")]
