"""What the command service counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class CommandMetrics:
    """One per service. Without a registry it counts to itself."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.commands = Counter(
            "commands_total",
            "Commands processed, by type and outcome (accepted, duplicate, or the code of the rejection).",
            ["type", "outcome"],
            registry=registry,
        )
        self.batch_size = Histogram(
            "command_batch_size",
            "Messages in one transaction.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "command_batch_seconds",
            "Duration of one transaction, failed ones too.",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 15),
            registry=registry,
        )
        self.completion_seconds = Histogram(
            "command_completion_seconds",
            "Duration of publishing, replying and acknowledging one batch.",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 15),
            registry=registry,
        )
        self.retries = Counter(
            "command_retries_total",
            "Transactions run again: the store failed, a batch was late or was halved, or one command failed.",
            ["why"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "dead_letters_total", "Dead letters written, by reason.", ["reason"], registry=registry
        )
        self.replies_refused = Counter(
            "command_replies_refused_total", "Outcomes not sent: the reply_to is not allowed.", registry=registry
        )
        self.unpublished = Counter(
            "outbox_unpublished_total", "Messages left in the outbox for later, by why.", ["why"], registry=registry
        )
        self.swept = Counter("outbox_swept_total", "Messages that the sweep published.", registry=registry)
        self.outbox_depth = Gauge("outbox_messages", "Messages in the outbox at the last look.", registry=registry)
        self.outbox_age = Gauge("outbox_oldest_seconds", "Age of the oldest of them.", registry=registry)
