"""What MongoDB must have before the query service starts."""

from contextlib import suppress
from typing import Any

import structlog
from pymongo import ASCENDING, AsyncMongoClient, IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from services.query.bootstrap import READ_MODELS
from services.query.mongo.client import NO_LIMIT, mongo_client
from services.query.mongo.collections import Collection, Collections
from services.query.mongo.replica_set import ensure_replica_set
from services.query.read_model import Document, FoldedModel
from services.query.settings import SetupSettings
from shared.runtime.errors import StartupError

logger = structlog.stdlib.get_logger(__name__)

USER_EXISTS = 51003


async def set_up(settings: SetupSettings) -> None:
    """A replica set with a primary, the service's user, and the indexes. Raises StartupError and PyMongoError."""
    await ensure_replica_set(settings.mongo, settings.member_host, settings.wait_seconds)
    patience = {"serverSelectionTimeoutMS": round(settings.wait_seconds * 1000), "socketTimeoutMS": NO_LIMIT}
    async with mongo_client(settings.mongo, **patience) as admin:
        if settings.service_password is not None:
            await ensure_user(
                admin, settings.database, settings.service_user, settings.service_password.get_secret_value()
            )
        await ensure_indexes(Collections(admin[settings.database]))


async def ensure_user(admin: AsyncMongoClient[Document], database: str, name: str, password: str) -> None:
    """A user of this database, who may read and write there and nothing else. Sets the password anew."""
    rights: dict[str, Any] = {"pwd": password, "roles": [{"role": "readWrite", "db": database}]}
    try:
        await admin[database].command("createUser", name, **rights)
    except OperationFailure as error:
        if error.code != USER_EXISTS:
            raise
        await admin[database].command("updateUser", name, **rights)
    logger.info("user is ready", user=name, database=database)


async def ensure_indexes(collections: Collections) -> None:
    """The indexes of every model's live generation, and the collections that are written in transactions.

    Raises StartupError when an index exists with another definition.
    """
    await collections.refresh()
    for model in READ_MODELS:
        if isinstance(model, FoldedModel) and model.details is not None:
            await _ensure_collections(collections.live(model.name), collections.details(model.name)())
        if not model.indexes:
            continue
        try:
            await collections.live(model.name).create_indexes(list(model.indexes))
        except OperationFailure as error:
            raise StartupError(
                f"can't create the indexes of {model.name}: {(error.details or {}).get('errmsg', 'failed')}"
            ) from error
        logger.info("indexes are ready", read_model=model.name)
    await collections.subscriptions.create_indexes(
        [IndexModel([("expires_at", ASCENDING)], name="expires_at", expireAfterSeconds=0)]
    )
    await collections.parked.create_indexes([IndexModel([("model", ASCENDING), ("since", ASCENDING)], name="since")])


async def _ensure_collections(*needed: Collection) -> None:
    """A transaction could make them, too, but one that runs meanwhile would fail for that."""
    for collection in needed:
        with suppress(CollectionInvalid):
            await collection.database.create_collection(collection.name)
