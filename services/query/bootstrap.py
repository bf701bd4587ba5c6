"""Builds the query service: the only place where its parts are put together."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import uuid4

from bson import Timestamp

from services.query.answering import Answering
from services.query.control.control_bus import ControlBus
from services.query.control.heal_aggregate import HealAggregateHandler
from services.query.control.projections import ProjectionControls
from services.query.generation_guard import GenerationGuard
from services.query.live.change_feed import Missed
from services.query.live.courier import Courier
from services.query.live.end_and_renew import CancelSubscriptionHandler, RenewSubscriptionHandler
from services.query.live.lease_book import LeaseBook
from services.query.live.live_queries import Limits, LiveQueries
from services.query.live.presence import Presence
from services.query.live_models import LiveFoldedModel, LiveModel, LiveModels
from services.query.metrics import QueryMetrics
from services.query.mongo.catalogue_watch import CatalogueWatch
from services.query.mongo.client import database_of, mongo_client, unretried_client
from services.query.mongo.collections import Collections
from services.query.mongo.primary_reader import PrimaryReader, PymongoReader, Reader
from services.query.mongo.read_path import ReadPath
from services.query.projector.behind_mark import BehindMark
from services.query.projector.dead_letters import DeadLetters
from services.query.projector.event_log import EventLog, RpcEventLog
from services.query.projector.feed import EVENTS_BUSY, GATHER_SECONDS, Feed
from services.query.projector.folded_projection import FoldedProjection
from services.query.projector.incoming import number_of_outcomes
from services.query.projector.lane import Lane
from services.query.projector.log_reader import RpcLogReader
from services.query.projector.marker import marker, marker_for
from services.query.projector.pausable_projector import PausableProjector
from services.query.projector.projection import Projection
from services.query.projector.projector import OrderedConsumer, Projector
from services.query.projector.reached_positions import ReachedPositions
from services.query.projector.turns import Turns
from services.query.query_bus import QueryBus
from services.query.read_model import FEED, Document, FoldedModel, ReadModel, projection_queues, queue_of
from services.query.read_models.command_status import COMMAND_STATUS
from services.query.read_models.command_status.get_command_status import GetCommandStatusHandler
from services.query.read_models.signup_stats import SIGNUP_STATS
from services.query.read_models.signup_stats.follow_signup_stats import SignupStatsFollower
from services.query.read_models.signup_stats.get_signup_stats import GetSignupStatsHandler, now_utc
from services.query.read_models.user_directory import USER_DIRECTORY
from services.query.read_models.user_directory.search_users import SearchUsersHandler
from services.query.read_models.user_history import USER_HISTORY
from services.query.read_models.user_history.get_user_history import GetUserHistoryHandler
from services.query.read_models.users import USERS
from services.query.read_models.users.follow_user import UserFollower
from services.query.read_models.users.follow_users import UsersFollower
from services.query.read_models.users.get_all_users import GetAllUsersHandler
from services.query.read_models.users.get_user_by_email import GetUserByEmailHandler
from services.query.read_models.users.get_user_by_id import GetUserByIdHandler
from services.query.read_models.users.get_users_by_id import GetUsersById
from services.query.rebuild.catalogue import Catalogue
from services.query.rebuild.context import Context
from services.query.rebuild.job_worker import JobWorker
from services.query.rebuild.jobs import Jobs
from services.query.service import QueryService
from services.query.settings import QuerySettings
from shared.contracts.control import HealAggregate
from shared.contracts.control.projections import (
    CancelProjectionJob,
    GetProjectionJob,
    ListProjections,
    PauseProjection,
    PruneProjection,
    RebuildProjection,
    ResumeProjection,
    RollBackProjection,
    VerifyProjection,
)
from shared.contracts.queries import (
    CancelSubscription,
    GetAllUsers,
    GetCommandStatus,
    GetSignupStats,
    GetUserByEmail,
    GetUserById,
    GetUserHistory,
    RenewSubscription,
    SearchUsers,
)
from shared.messaging.arrival_rate import ArrivalRate
from shared.messaging.batch_consumer import AmqpBatchConsumer
from shared.messaging.connection import SupervisedConnection
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.publisher import AmqpPublisher
from shared.messaging.queue_probe import QueueProbe
from shared.messaging.replier import AmqpReplier
from shared.messaging.responder import Responder
from shared.messaging.rpc_client import RpcClient
from shared.messaging.topology import PROJECTION_CONTROL, QUERIES, projection_queue
from shared.runtime.health import Health
from shared.runtime.metrics import new_registry
from shared.runtime.server import health_server

READ_MODELS: Final[tuple[ReadModel, ...]] = (USERS, COMMAND_STATUS, USER_DIRECTORY, USER_HISTORY, SIGNUP_STATS)
PROJECTION_QUEUES: Final = projection_queues(READ_MODELS)
"""What the broker's set-up job has to declare for them."""
RECORDED_AT_ONCE: Final = 8
"""Messages of a recorded model without an acknowledgement: each tells of up to 500 commands."""
OUTCOMES_BUSY: Final = 2000.0
"""Outcomes a second from which on they gather as long as they may. A message tells of a whole batch of commands."""
CONTROLS_AT_ONCE: Final = 4
"""Of an operator's requests: few, so that those of one operator are shared among processes and disturb no reader."""


def register_queries(models: LiveModels, bus: QueryBus) -> None:
    """Each read model put to work, and each query with its handler."""
    users = models.folded(USERS)
    statuses = models.recorded(COMMAND_STATUS)
    bus.register(
        GetUserById,
        GetUserByIdHandler(users.documents, users.freshness),
        users.recency,
        about=lambda query: query.user_id,
    )
    bus.register(GetUserByEmail, GetUserByEmailHandler(users.collection, users.freshness), users.recency)
    bus.register(GetAllUsers, GetAllUsersHandler(users.collection, users.freshness), users.recency)
    bus.register(GetCommandStatus, GetCommandStatusHandler(statuses.documents, statuses.watch), statuses.recency)
    directory = models.folded(USER_DIRECTORY)
    bus.register(SearchUsers, SearchUsersHandler(directory.collection, directory.freshness), directory.recency)
    history = models.folded(USER_HISTORY)
    bus.register(
        GetUserHistory,
        GetUserHistoryHandler(history.documents, history.details, history.freshness),
        history.recency,
        about=lambda query: query.user_id,
    )
    stats = models.folded(SIGNUP_STATS)
    bus.register(GetSignupStats, GetSignupStatsHandler(stats.details, stats.freshness), stats.recency)


def register_live_queries(
    models: LiveModels, event_log: EventLog, guard: GenerationGuard, live: LiveQueries, bus: QueryBus
) -> None:
    """The queries that may be asked with `subscribe`, each with what makes updates of changes."""
    users, stats = models.of(USERS), models.of(SIGNUP_STATS)

    async def load_user(user_id: str) -> Document | None:
        return await guard.read(lambda: users.documents.load(user_id))

    async def changes_since(moment: Timestamp, collection: str, most: int) -> Missed:
        return await guard.read(lambda: live.feed.since(moment, collection, most))

    live.register(
        GetUserById,
        lambda query, ask: UserFollower(
            query, ask, model=USERS, source=users.collection, load=load_user, log=event_log
        ),
        users.collection,
    )
    live.register(
        GetAllUsers,
        lambda query, ask: UsersFollower(query, ask, source=users.collection, now=live.feed.now, since=changes_since),
        users.collection,
    )
    live.register(
        GetSignupStats,
        lambda query, ask: SignupStatsFollower(query, ask, source=stats.details, clock=now_utc),
        stats.details,
    )
    bus.register(RenewSubscription, RenewSubscriptionHandler(live), does=True)
    bus.register(CancelSubscription, CancelSubscriptionHandler(live), does=True)


def control_bus(folded: Mapping[str, FoldedProjection], projections: ProjectionControls) -> ControlBus:
    """What operators may tell the service to do."""
    bus = ControlBus()
    bus.register(HealAggregate, HealAggregateHandler(folded))
    bus.register(ListProjections, projections.show_all)
    bus.register(GetProjectionJob, projections.show_job)
    bus.register(RebuildProjection, projections.rebuild)
    bus.register(RollBackProjection, projections.roll_back)
    bus.register(VerifyProjection, projections.verify)
    bus.register(CancelProjectionJob, projections.cancel)
    bus.register(PruneProjection, projections.prune)
    bus.register(PauseProjection, projections.pause)
    bus.register(ResumeProjection, projections.resume)
    return bus


@dataclass(frozen=True, slots=True)
class Seams:
    """Where tests put something between the parts: what they make of a part takes its place."""

    consumer: Callable[[OrderedConsumer], OrderedConsumer] = lambda consumer: consumer
    projection: Callable[[Projection[Any]], Projection[Any]] = lambda projection: projection


NO_SEAMS = Seams()


@asynccontextmanager
async def bootstrap(settings: QuerySettings, seams: Seams = NO_SEAMS) -> AsyncIterator[QueryService]:
    """The whole service, connected; it works once its `run` is called. Leaving the block closes everything.

    Raises StartupError, or BrokerRefusedError, when a server refuses us; one that is not there yet is waited for, and
    `/readyz` says so.
    """
    registry = new_registry()
    metrics, traffic, health = QueryMetrics(registry), MessagingMetrics(registry), Health()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context

        async def connect(name: str) -> SupervisedConnection:
            connection = SupervisedConnection(
                settings.broker, name=f"query: {name}", path=settings.transport, metrics=traffic
            )
            return await enter(connection)

        client = await enter(mongo_client(settings.mongo))
        folding = await enter(unretried_client(settings.mongo))
        collections = Collections(
            database_of(client), lease=settings.catalogue_lease_seconds, unretried=database_of(folding)
        )
        reached = ReachedPositions(collections)
        catalogue = CatalogueWatch(collections, period=collections.lease / 5, also=reached.save)
        await catalogue.start()
        health.add("mongodb", lambda: catalogue.trouble)

        events, queries = await connect("events"), await connect("queries")
        publishing = await connect("publish")
        publisher = await enter(AmqpPublisher(publishing, metrics=traffic))
        live_publisher = await enter(AmqpPublisher(publishing, metrics=traffic))
        askers = await enter(QueueProbe(await connect("askers")))
        replier = await enter(AmqpReplier(await connect("reply"), metrics=traffic))
        rpc = await enter(RpcClient(queries))
        health.add("publisher", lambda: publisher.trouble)
        health.add("replier", lambda: replier.trouble)

        event_log = RpcEventLog(rpc, timeout=settings.event_log_timeout_seconds)
        reads: Reader = PymongoReader()
        if settings.mongo_reads is ReadPath.FAST:
            reads = await enter(PrimaryReader(client, settings.mongo, metrics=metrics))
        models = LiveModels(
            collections, event_log, lambda model: marker(rpc, queue_of(model), model.name), reached, reads
        )
        stack.push_async_callback(models.close)
        bus = QueryBus()
        register_queries(models, bus)
        guard = GenerationGuard(collections)
        followed = LiveQueries(
            bus,
            guard,
            database_of(client),
            LeaseBook(collections.subscriptions, owner=uuid4().hex),
            Courier(live_publisher, replier),
            Presence(askers),
            metrics,
            limits=Limits(in_all=settings.max_live_queries, per_asker=settings.max_live_queries_per_asker),
        )
        register_live_queries(models, event_log, guard, followed, bus)

        dead_letters = DeadLetters(publisher)
        users = models.of(USERS)

        most_linger = settings.max_linger_ms / 1000

        @asynccontextmanager
        async def new_projector(live: LiveModel) -> AsyncIterator[Projector[Any]]:
            prefetch = min(settings.prefetch, RECORDED_AT_ONCE)
            async with AmqpBatchConsumer(
                events,
                [queue_of(live.model)],
                prefetch=prefetch,
                max_batch=min(settings.batch_size, prefetch),
                linger=min(live.model.linger_seconds, most_linger),
                arrivals=ArrivalRate(OUTCOMES_BUSY),
                weigh=number_of_outcomes,
                metrics=traffic,
            ) as consumer:
                yield Projector(
                    seams.projection(live.projection),
                    seams.consumer(consumer),
                    dead_letters,
                    replier,
                    metrics,
                    max_batch=min(settings.batch_size, prefetch),
                )

        projectors = [
            PausableProjector(
                live.model.name, partial(new_projector, live), partial(collections.is_paused, live.model.name)
            )
            for live in models.all
            if not isinstance(live, LiveFoldedModel)
        ]
        for projector in projectors:
            health.add(f"projection {projector.name}", projector.why_not)
            health.add_note(f"projection {projector.name}", projector.note)

        feeding = await enter(
            AmqpBatchConsumer(
                events,
                [projection_queue(FEED)],
                prefetch=settings.prefetch,
                max_batch=min(settings.batch_size, settings.prefetch),
                linger=min(GATHER_SECONDS, most_linger),
                arrivals=ArrivalRate(EVENTS_BUSY),
                metrics=traffic,
            )
        )
        reader = RpcLogReader(rpc, timeout=settings.event_log_timeout_seconds)

        turns = Turns()

        def lanes(feed: Feed) -> Sequence[Lane]:
            return [
                Lane(
                    seams.projection(live.projection),
                    live.model.aggregate_type,
                    partial(BehindMark, collections, live.model.name),
                    reader,
                    partial(collections.is_paused, live.model.name),
                    metrics,
                    is_current=feed.is_current,
                    answer=feed.answer,
                    max_batch=settings.batch_size,
                    linger=min(live.model.linger_seconds, most_linger),
                    busy=live.model.busy,
                    turns=turns if live.model.takes_turns else None,
                )
                for live in models.all
                if isinstance(live, LiveFoldedModel)
            ]

        async def nudge() -> None:
            await publisher.publish([marker_for(projection_queue(FEED), "")])

        feed = Feed(
            lanes,
            seams.consumer(feeding),
            dead_letters,
            replier,
            metrics,
            refresh=collections.refresh,
            nudge=nudge,
            room=settings.prefetch,
        )
        for lane in feed.lanes:
            health.add(f"projection {lane.name}", partial(_either, lane.why_not, feed.why_not))
            health.add_note(f"projection {lane.name}", lane.note)

        requests = await enter(AmqpBatchConsumer(queries, [QUERIES], linger=0.0, metrics=traffic))
        health.add("queries", lambda: requests.trouble)
        responder = Responder(
            requests,
            replier,
            Answering(bus, metrics, followed, guard),
            joint=GetUsersById(users.documents, users.freshness, users.recency, guard, metrics),
            max_concurrent=settings.max_concurrent_queries,
            drain_seconds=settings.drain_seconds,
            metrics=traffic,
        )
        folded = {live.model.name: live.projection for live in models.all if isinstance(live, LiveFoldedModel)}
        context = Context(
            collections,
            Jobs(collections),
            Catalogue(collections),
            reader,
            event_log,
        )
        controls = await enter(
            AmqpBatchConsumer(queries, [PROJECTION_CONTROL], prefetch=CONTROLS_AT_ONCE, linger=0.0, metrics=traffic)
        )
        health.add("projection control", lambda: controls.trouble)
        control = Responder(
            controls,
            replier,
            control_bus(folded, ProjectionControls(context, {live.model.name: live.model for live in models.all})),
            max_concurrent=CONTROLS_AT_ONCE,
            drain_seconds=settings.drain_seconds,
            metrics=traffic,
        )
        server = health_server(health, registry, host=settings.http_host, port=settings.http_port)
        yield QueryService(
            projectors=(feed, *projectors),
            responders=(responder, control),
            bus=bus,
            folded=folded,
            watch=catalogue,
            jobs=JobWorker(
                context, {live.model.name: live.model for live in models.all if isinstance(live.model, FoldedModel)}
            ),
            live=followed,
            http_port=await enter(server),
            drain_seconds=settings.drain_seconds,
        )


def _either(one: Callable[[], str | None], other: Callable[[], str | None]) -> str | None:
    return one() or other()
