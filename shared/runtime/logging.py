"""Logs: one JSON line per happening on stderr, or colours for a person at a terminal."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

from shared.runtime.urls import redacted

OUR_PACKAGES = ("services", "shared")
TOLD_BY_OURSELVES = ("aiormq", "aio_pika")
"""Each lost connection is a line of our own; these would add a traceback or three."""


def configure_logging(
    level: str = "info", form: Literal["auto", "json", "console"] = "auto", stream: TextIO | None = None
) -> None:
    """Routes structlog and the standard library's loggers to one handler on `stream` (stderr).

    `level` is for our own packages; libraries never log below WARNING, because what they say there holds payloads
    (pymongo its commands, SQLAlchemy its parameters). `auto` is `console` on a terminal, else `json`.
    """
    stream = stream if stream is not None else sys.stderr
    pretty = form == "console" or (form == "auto" and stream.isatty())
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        _without_passwords,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
        )
        if pretty
        else structlog.processors.JSONRenderer(default=str)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(logging.WARNING, threshold))
    for package in TOLD_BY_OURSELVES:
        logging.getLogger(package).setLevel(logging.CRITICAL)
    for package in OUR_PACKAGES:
        logging.getLogger(package).setLevel(threshold)
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def log_through_standard_library() -> None:
    """For a program that only uses our client: where it has not configured structlog, its own `logging` settings hold.

    Without any, structlog would print every line to stdout.
    """
    if not structlog.is_configured():
        structlog.configure(
            processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
        )


def _without_passwords(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and "://" in value:
            event[key] = redacted(value)
    return event
