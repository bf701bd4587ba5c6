"""What the messaging adapters count."""

from prometheus_client import CollectorRegistry, Counter


class MessagingMetrics:
    """One per process, built where the service is built. Without a registry it counts to itself."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        def counter(name: str, documentation: str, *labels: str) -> Counter:
            return Counter(f"messaging_{name}", documentation, labels, registry=registry)

        self.consumed = counter("consumed_total", "Messages that arrived.", "queue")
        self.undecodable = counter("undecodable_total", "Messages whose properties could not be read.", "queue")
        self.acked = counter("acked_total", "Messages acknowledged.", "queue")
        self.requeued = counter("requeued_total", "Messages given back to their queue.", "queue")
        self.published = counter("published_total", "Messages confirmed by the broker.", "exchange")
        self.publish_failures = counter(
            "publish_failures_total", "Messages not known to be on a queue, by reason.", "exchange", "reason"
        )
        self.replied = counter("replied_total", "Replies sent.")
        self.replies_dropped = counter("replies_dropped_total", "Replies not sent, by reason.", "reason")
        self.requests_dropped = counter("requests_dropped_total", "Requests not answered, by reason.", "reason")
        self.rpc_calls = counter("rpc_calls_total", "Calls made: answered, timeout or failed.", "outcome")
        self.connected = counter("connected_total", "Connections made to the broker.", "connection")
        self.connection_failures = counter("connection_failures_total", "Connections lost or not made.", "connection")
