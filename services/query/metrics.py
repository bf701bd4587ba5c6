"""What the query service counts and measures."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class QueryMetrics:
    """One per service. Without a registry it counts to itself."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.events = Counter(
            "projection_events_total",
            "Events by what became of them: applied, duplicate, gap_healed, parked, ignored, dead_lettered.",
            ("read_model", "result"),
            registry=registry,
        )
        self.events_by_type = Counter(
            "projection_events_by_type_total", "Messages read.", ("read_model", "type"), registry=registry
        )
        self.lag = Gauge(
            "projection_lag_seconds",
            "Age of the newest event of a batch when it became visible.",
            ("read_model",),
            registry=registry,
        )
        self.batch_size = Histogram(
            "projection_batch_messages", "Messages per batch.", ("read_model",), buckets=SIZES, registry=registry
        )
        self.batch_seconds = Histogram(
            "projection_batch_seconds", "Time to write a batch.", ("read_model",), buckets=SECONDS, registry=registry
        )
        self.retries = Counter(
            "projection_retries_total",
            "Batches tried again because a server was away, by error.",
            ("read_model", "error"),
            registry=registry,
        )
        self.abandoned = Counter(
            "projection_batches_abandoned_total",
            "Batches left to redelivery because their channel was gone or the service stopped.",
            ("read_model",),
            registry=registry,
        )
        self.fallen_behind = Counter(
            "projection_fallen_behind_total",
            "How often the feed went on without a read model, by reason.",
            ("read_model", "reason"),
            registry=registry,
        )
        self.queries = Counter(
            "queries_total", "Queries by type and status: ok or an error code.", ("type", "status"), registry=registry
        )
        self.reads = Counter(
            "mongodb_reads_total",
            "Reads of documents by id: fast on the connection to the primary, plain by pymongo.",
            ("path",),
            registry=registry,
        )
        self.query_seconds = Histogram(
            "query_seconds",
            "From a query's arrival to its answer, waiting for freshness included.",
            ("type",),
            buckets=SECONDS,
            registry=registry,
        )
        self.live_subscriptions = Gauge(
            "live_subscriptions", "Live queries that this process holds.", ("type",), registry=registry
        )
        self.live_updates = Counter("live_updates_total", "Updates sent to askers.", ("type",), registry=registry)
        self.live_ended = Counter(
            "live_subscriptions_ended_total",
            "Live queries ended: cancelled, lease, gone, slow, failed, stopped.",
            ("reason",),
            registry=registry,
        )
        self.live_stream_failures = Counter(
            "live_stream_failures_total", "Change streams that broke, by error.", ("error",), registry=registry
        )
