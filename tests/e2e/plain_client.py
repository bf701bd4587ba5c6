"""A client in the style of any language: pika, the contract's section 2, and not a line of our code."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel


class PlainClient:
    """Publishes with confirms, takes replies by direct reply-to, binds a queue of its own to `events`."""

    def __init__(self, amqp_url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
        self.channel: BlockingChannel = self._connection.channel()
        self.channel.confirm_delivery()
        self._rpc: BlockingChannel = self._connection.channel()
        self._rpc.basic_consume("amq.rabbitmq.reply-to", self._on_reply, auto_ack=True)
        self.replies: list[tuple[str | None, str | None, dict[str, Any]]] = []
        self.events: list[tuple[Any, Any, dict[str, Any]]] = []

    def __enter__(self) -> "PlainClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def _on_reply(self, channel: Any, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        self.replies.append((properties.type, properties.correlation_id, json.loads(body)))

    def subscribe(self, binding_key: str) -> None:
        """Binds a queue of this client's own to `events`."""
        queue = f"subscriber.{uuid.uuid4()}"
        self.channel.queue_declare(queue, durable=True, exclusive=True)
        self.channel.queue_bind(queue, "events", binding_key)

        def on_event(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            self.events.append((method, properties, json.loads(body)))

        self.channel.basic_consume(queue, on_event, auto_ack=True)

    def send(self, kind: str, body: Any, *, message_id: str | None = None, **properties: Any) -> str:
        """Publishes a command and returns its id; the broker has confirmed it then. No outcome is waited for."""
        message_id = message_id or str(uuid.uuid4())
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        key = body.get("user_id", "none") if isinstance(body, dict) else "none"
        properties = {"type": kind, "message_id": message_id, "content_type": "application/json"} | properties
        channel = self._rpc if properties.get("reply_to") == "amq.rabbitmq.reply-to" else self.channel
        channel.basic_publish(
            "commands", str(key), raw, pika.BasicProperties(delivery_mode=2, **properties), mandatory=True
        )
        return message_id

    def command(self, kind: str, body: Any, timeout: float = 10.0, **properties: Any) -> dict[str, Any]:
        """Publishes a command with direct reply-to and returns its outcome."""
        correlation_id = str(uuid.uuid4())
        self.send(kind, body, reply_to="amq.rabbitmq.reply-to", correlation_id=correlation_id, **properties)
        return self.reply("CommandOutcome", correlation_id, timeout)

    def query(
        self, kind: str, body: Any, *, timeout: float = 10.0, headers: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Asks a query by direct reply-to and returns its answer."""
        correlation_id = str(uuid.uuid4())
        self._rpc.basic_publish(
            "queries",
            "query",
            body if isinstance(body, bytes) else json.dumps(body).encode(),
            pika.BasicProperties(
                type=kind,
                reply_to="amq.rabbitmq.reply-to",
                correlation_id=correlation_id,
                expiration=str(int(timeout * 1000)),
                headers=dict(headers or {}),
            ),
        )
        return self.reply("QueryAnswer", correlation_id, timeout)

    def events_of(self, user_id: str) -> list[tuple[Any, Any, dict[str, Any]]]:
        """Method, properties and body of the events of one user, as they came."""
        return [each for each in self.events if each[2]["aggregateid"] == user_id]

    def reply(self, kind: str, correlation_id: str, timeout: float = 10.0) -> dict[str, Any]:
        """The reply with that correlation id; AssertionError when none comes."""
        self.wait_until(lambda: any(reply[1] == correlation_id for reply in self.replies), timeout)
        (found,) = [reply for reply in self.replies if reply[1] == correlation_id]
        assert found[0] == kind
        return found[2]

    def wait_until(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        """Serves the connection until the condition holds; AssertionError when it does not in time."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "nothing came in time"
            self._connection.process_data_events(time_limit=0.05)
