"""Tells the query service what to do with its read models."""

from collections.abc import Awaitable
from typing import Protocol
from uuid import uuid4

from pydantic import ValidationError

from services.ops.errors import OpsError
from services.ops.exit_code import ExitCode
from shared.contracts.answer import ANSWER, Answered, Failed
from shared.contracts.control import ProjectionControl
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.rpc_client import RpcError, RpcUnroutableError
from shared.messaging.topology import PROJECTION_CONTROL, PROJECTION_CONTROL_KEY


class Caller(Protocol):
    """`RpcClient`."""

    def call(self, request: Envelope, *, timeout: float) -> Awaitable[Delivery]: ...


async def told(caller: Caller, control: ProjectionControl, *, timeout: float) -> Answered | Failed:
    """The service's answer. `timeout` is in seconds. Raises OpsError when there is none."""
    request = Envelope(
        exchange=PROJECTION_CONTROL,
        routing_key=PROJECTION_CONTROL_KEY,
        type=control.type,
        message_id=str(uuid4()),
        body=control.model_dump_json().encode(),
        persistent=False,
    )
    try:
        return ANSWER.validate_json((await caller.call(request, timeout=timeout)).body)
    except RpcUnroutableError as error:
        raise OpsError("the broker has no queue for it; has the system been set up?", ExitCode.UNREACHABLE) from error
    except RpcError as error:
        raise OpsError(f"the query service: {error}", ExitCode.UNREACHABLE) from error
    except ValidationError as error:
        raise OpsError("the query service's answer can't be read", ExitCode.UNREACHABLE) from error
