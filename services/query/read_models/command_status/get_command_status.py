from services.query.freshness.demand import Demand
from services.query.freshness.version_watch import VersionWatch
from services.query.mongo.document_loader import DocumentLoader
from services.query.read_model import Document
from shared.contracts.answer import Answered, AnswerError, AsOf, ErrorCode, Failed
from shared.contracts.queries import GetCommandStatus

NOT_YET = Failed(
    error=AnswerError(
        code=ErrorCode.STALE_READ, message="what became of the command is not known here yet", retryable=True
    )
)


class GetCommandStatusHandler:
    """What is known of a command can't go stale, so it is answered at once, whatever the asker has seen.

    Of a command that is not known yet the answer waits when the asker wants that: with a consistency token for as long
    as it allows, and then `stale_read`; with `max-wait-ms` alone that long, and then `unknown`. With neither it is
    `unknown` at once.
    """

    def __init__(self, statuses: DocumentLoader, watch: VersionWatch) -> None:
        self._statuses = statuses
        self._watch = watch

    async def __call__(self, query: GetCommandStatus, demand: Demand) -> Answered | Failed:
        command_id = str(query.command_id)
        document = await self._statuses.load(command_id)
        if document is None and (demand.tokens or demand.waits):
            missing = await self._watch.wait({command_id: 1}, demand.max_wait)
            if not missing:
                document = await self._statuses.load(command_id)
            elif demand.tokens:
                return NOT_YET
        return _answer(command_id, document)


def _answer(command_id: str, document: Document | None) -> Answered:
    if document is None:
        return Answered(data={"command_id": command_id, "status": "unknown"}, as_of=AsOf())
    shown = {key: document[key] for key in ("status", "aggregate_id", "version", "code") if key in document}
    return Answered(
        data={"command_id": command_id, **shown}, as_of=AsOf(version=document.get("version"), time=document["time"])
    )
