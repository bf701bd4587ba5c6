import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from shared.messaging import responder
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.joint_handler import JointHandler
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.reply import Reply
from shared.messaging.responder import ACKED_AT_ONCE, JOINT_CALLS, RequestHandler, Responder
from tests.support.fake_broker import FakeBroker, FakeReplier


class Answering:
    """A responder at work on a fake broker."""

    work: "asyncio.Task[None]"

    def __init__(
        self,
        handler: RequestHandler,
        *,
        joint: JointHandler | None = None,
        joint_seconds: float = 10.0,
        max_concurrent: int = 256,
        drain_seconds: float = 10.0,
    ) -> None:
        self.registry = CollectorRegistry()
        self.broker = FakeBroker()
        self.broker.declare_queue("queries")
        self.broker.declare_queue("reply.alice")
        self.replier: FakeReplier = self.broker.replier()
        self.consumer = self.broker.consumer(["queries"], linger=0)
        self.responder = Responder(
            self.consumer,
            self.replier,
            handler,
            joint=joint,
            joint_seconds=joint_seconds,
            max_concurrent=max_concurrent,
            drain_seconds=drain_seconds,
            metrics=MessagingMetrics(self.registry),
        )

    def ask(self, body: bytes = b"{}", reply_to: str | None = "reply.alice", expiration_ms: int | None = None) -> None:
        self.broker.publish(
            Envelope(
                exchange="",
                routing_key="queries",
                type="Ask",
                body=body,
                reply_to=reply_to,
                correlation_id=body.decode(),
                expiration_ms=expiration_ms,
            )
        )

    def dropped(self, reason: str) -> float:
        return self.registry.get_sample_value("messaging_requests_dropped_total", {"reason": reason}) or 0.0

    @property
    def answers(self) -> list[tuple[str | None, bytes]]:
        return [(sent.correlation_id, sent.body) for sent in self.replier.sent]

    async def answered(self, number: int) -> None:
        async with asyncio.timeout(5):
            while len(self.answers) < number:
                await asyncio.sleep(0)

    async def settled(self) -> None:
        async with asyncio.timeout(5):
            while self.broker.messages("queries") or self.consumer.unacked:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(answering: Answering) -> AsyncIterator[Answering]:
    async with answering.consumer:
        answering.work = asyncio.create_task(answering.responder.run())
        try:
            yield answering
        finally:
            await answering.responder.stop()
            await answering.work


async def echo(request: Delivery) -> Reply | None:
    return Reply(type="Answer", body=request.body)


async def test_every_request_is_answered_and_acknowledged() -> None:
    async with running(Answering(echo)) as answering:
        for number in range(100):
            answering.ask(str(number).encode())
        await answering.settled()

    assert sorted(answering.answers) == sorted((str(number), str(number).encode()) for number in range(100))


async def test_answers_of_some_milliseconds_are_acknowledged_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder, "ACK_SECONDS", 0.2)
    async with running(Answering(echo)) as answering:
        for number in range(10):
            answering.ask(str(number).encode())
            await answering.answered(number + 1)
            assert answering.consumer.unacked == number + 1
        await answering.settled()


async def test_many_answers_are_acknowledged_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder, "ACK_SECONDS", 1.0)
    async with running(Answering(echo)) as answering:
        for number in range(ACKED_AT_ONCE):
            answering.ask(str(number).encode())
        await answering.answered(ACKED_AT_ONCE)
        async with asyncio.timeout(0.5):
            await answering.settled()


async def test_all_that_was_answered_is_acknowledged_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder, "ACK_SECONDS", 0.2)
    async with running(Answering(echo)) as answering:
        answering.ask(b"1")
        await answering.answered(1)
        await answering.responder.stop()
        await answering.work

        assert answering.consumer.unacked == 0


async def test_requests_without_an_allowed_address_are_dropped_and_counted() -> None:
    async with running(Answering(echo)) as answering:
        for reply_to in (None, "", "queries", "amq.rabbitmq.reply-to.x.y"):
            answering.ask(reply_to=reply_to)
        await answering.settled()

    assert answering.answers == []
    assert (answering.dropped("no_reply_to"), answering.dropped("reply_to_refused")) == (2, 2)


async def test_a_request_past_its_deadline_is_dropped() -> None:
    async with running(Answering(echo)) as answering:
        answering.ask(expiration_ms=0)
        await answering.settled()

    assert answering.answers == []
    assert answering.dropped("expired") == 1


async def test_a_handler_is_cancelled_at_its_deadline_while_others_go_on() -> None:
    cancelled = []

    async def slow_once(request: Delivery) -> Reply | None:
        if request.body == b"slow":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(request.body)
                raise
        return await echo(request)

    async with running(Answering(slow_once)) as answering:
        answering.ask(b"slow", expiration_ms=30)
        answering.ask(b"quick")
        await answering.settled()

    assert (cancelled, answering.answers) == ([b"slow"], [("quick", b"quick")])
    assert answering.dropped("expired") == 1


async def test_a_failing_handler_harms_no_other_request() -> None:
    async def fails_once(request: Delivery) -> Reply | None:
        if request.body == b"bad":
            raise RuntimeError("a bug")
        return await echo(request)

    async with running(Answering(fails_once)) as answering:
        answering.ask(b"bad")
        answering.ask(b"good")
        await answering.settled()

    assert answering.answers == [("good", b"good")]
    assert answering.dropped("failed") == 1


async def test_no_more_than_so_many_run_at_once() -> None:
    at_once: list[int] = []
    count = 0

    async def counting(request: Delivery) -> Reply | None:
        nonlocal count
        count += 1
        at_once.append(count)
        await asyncio.sleep(0.005)
        count -= 1
        return await echo(request)

    async with running(Answering(counting, max_concurrent=4)) as answering:
        for number in range(20):
            answering.ask(str(number).encode())
        await answering.settled()

    assert len(answering.answers) == 20
    assert max(at_once) == 4


async def test_handlers_of_one_batch_start_before_any_of_them_goes_on() -> None:
    order: list[str] = []

    async def two_steps(request: Delivery) -> Reply | None:
        order.append("start")
        await asyncio.sleep(0)
        order.append("go on")
        return await echo(request)

    answering = Answering(two_steps)
    for number in range(3):
        answering.ask(str(number).encode())
    async with running(answering):
        await answering.settled()

    assert order == ["start"] * 3 + ["go on"] * 3


async def test_what_was_taken_is_answered_on_stop() -> None:
    async def slow(request: Delivery) -> Reply | None:
        await asyncio.sleep(0.05)
        return await echo(request)

    async with running(Answering(slow)) as answering:
        answering.ask(b"1")
        answering.ask(b"2")
        await asyncio.sleep(0.02)

    assert sorted(answering.answers) == [("1", b"1"), ("2", b"2")]


async def test_what_takes_too_long_on_stop_is_left_for_another() -> None:
    async def forever(request: Delivery) -> Reply | None:
        await asyncio.sleep(3600)
        return None

    answering = Answering(forever, drain_seconds=0.05)
    async with running(answering):
        answering.ask(b"1")
        await asyncio.sleep(0.02)

    assert [delivery.redelivered for delivery in answering.broker.messages("queries")] == [True]


class Together:
    """Takes what begins with "j", and echoes it; keeps what it was asked at once."""

    def __init__(self, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.calls: list[list[bytes]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._seconds = seconds
        self._error = error

    def takes(self, request: Delivery) -> bool:
        return request.body.startswith(b"j")

    async def has_calls(self, number: int) -> None:
        async with asyncio.timeout(5):
            while len(self.calls) < number:
                await asyncio.sleep(0.001)

    async def answer(self, requests: Sequence[Delivery]) -> Sequence[Reply | None]:
        self.calls.append([request.body for request in requests])
        await self.gate.wait()
        await asyncio.sleep(self._seconds)
        if self._error:
            raise self._error
        return [None if b"left" in request.body else Reply(type="Joint", body=request.body) for request in requests]


async def test_what_may_be_is_answered_together_and_what_is_left_alone() -> None:
    joint = Together()
    answering = Answering(echo, joint=joint)
    for body in (b"j1", b"a", b"j-left", b"j2"):
        answering.ask(body)
    async with running(answering):
        await answering.settled()

    assert joint.calls == [[b"j1", b"j-left", b"j2"]]
    kinds = {sent.correlation_id: sent.type for sent in answering.replier.sent}
    assert kinds == {"j1": "Joint", "j2": "Joint", "a": "Answer", "j-left": "Answer"}


async def test_what_arrives_while_joint_calls_are_under_way_gathers_for_the_next() -> None:
    joint = Together()
    joint.gate.clear()
    async with running(Answering(echo, joint=joint)) as answering:
        for number in range(JOINT_CALLS):
            answering.ask(f"j{number}".encode())
            await joint.has_calls(number + 1)
        for number in range(JOINT_CALLS, 20):
            answering.ask(f"j{number}".encode())
            await asyncio.sleep(0)
        joint.gate.set()
        await answering.settled()

    assert [len(call) for call in joint.calls] == [1] * JOINT_CALLS + [20 - JOINT_CALLS]
    assert len(answering.answers) == 20


async def test_when_a_joint_call_fails_each_is_answered_alone() -> None:
    async with running(Answering(echo, joint=Together(error=RuntimeError("a bug")))) as answering:
        for body in (b"j1", b"j2"):
            answering.ask(body)
        await answering.settled()

    assert sorted(answering.answers) == [("j1", b"j1"), ("j2", b"j2")]
    assert answering.dropped("failed") == 0


async def test_a_joint_call_that_takes_too_long_is_given_up() -> None:
    async with running(Answering(echo, joint=Together(seconds=3600), joint_seconds=0.02)) as answering:
        answering.ask(b"j1")
        await answering.settled()

    assert [sent.type for sent in answering.replier.sent] == ["Answer"]


async def test_a_request_with_little_time_left_does_not_wait_for_others() -> None:
    joint = Together()
    async with running(Answering(echo, joint=joint, joint_seconds=10.0)) as answering:
        answering.ask(b"j1", expiration_ms=30_000)
        await answering.settled()

    assert (joint.calls, answering.answers) == ([], [("j1", b"j1")])


async def test_nobody_is_answered_together_at_an_address_that_is_not_allowed() -> None:
    joint = Together()
    async with running(Answering(echo, joint=joint)) as answering:
        answering.ask(b"j1", reply_to="queries")
        await answering.settled()

    assert (joint.calls, answering.answers) == ([], [])
    assert answering.dropped("reply_to_refused") == 1


async def test_what_had_gathered_is_answered_on_stop() -> None:
    joint = Together(seconds=0.02)
    async with running(Answering(echo, joint=joint)) as answering:
        for number in range(10):
            answering.ask(f"j{number}".encode())
            await asyncio.sleep(0.001)

    assert len(answering.answers) == 10
