"""What a failed attempt to connect leaves behind: nothing."""

import asyncio
import gc
import logging
import socket
import warnings

import aiormq
import pytest

from shared.messaging.opening import open_connection


def test_an_attempt_that_failed_is_nothing_to_warn_about_when_the_garbage_collector_finds_it_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, logger="aiormq")  # pytest keeps what is logged, and with it the attempt
    with socket.socket() as nobody_listens, asyncio.Runner() as runner:
        nobody_listens.bind(("127.0.0.1", 0))
        with pytest.raises(aiormq.AMQPConnectionError) as failed:
            runner.run(open_connection(f"amqp://127.0.0.1:{nobody_listens.getsockname()[1]}/"))
        asyncio.set_event_loop(None)  # as between two tests
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            del failed
            gc.collect()

    assert [str(warning.message) for warning in warned] == []
