"""Messages over real sockets: a mail server and a webhook that take, refuse, fail and hang."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cloud.escalation import contacts
from cloud.escalation.courier import PER_SERVER, AppriseCourier, Letter, Undelivered, look_at, scrub
from cloud.escalation.notifier import Notifier
from cloud.people import service
from simulators.broker import free_port
from tests.support.calls import notices
from tests.support.desk import announcement, desk, raised
from tests.support.receivers import Hook, Mailbox, hook, mail_server

LETTER = Letter("7162efe09e92", "[重大] T-000001 低压进线 1：功率因数低", "等待响应。\n编号 7162efe09e92")


@pytest.fixture
def courier() -> Iterator[AppriseCourier]:
    made = AppriseCourier(patience_s=1.0, socket_s=1.0)
    yield made
    made.close()


@pytest.fixture
async def webhook() -> AsyncIterator[Hook]:
    async with hook() as made:
        yield made


@pytest.fixture
def mail() -> Iterator[Mailbox]:
    with mail_server(free_port()) as made:
        yield made


async def test_a_mail_arrives_as_written_with_its_key(courier: AppriseCourier, mail: Mailbox) -> None:
    assert await courier.deliver(mail.url("duty@plant.example"), LETTER) == f"taken by 127.0.0.1:{mail.port}"
    (letter,) = mail.letters
    assert letter["X-Plantroom-Notice"] == LETTER.key
    body = letter.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().splitlines() == LETTER.body.splitlines()


async def test_a_refused_mailbox_is_a_failure_that_says_why(courier: AppriseCourier, mail: Mailbox) -> None:
    mail.refused.add("duty@plant.example")
    with pytest.raises(Undelivered) as failure:
        await courier.deliver(mail.url("duty@plant.example"), LETTER)
    assert not failure.value.is_unknown
    assert failure.value.reason


async def test_a_webhook_is_given_the_key_and_told_of_a_possible_repeat(courier: AppriseCourier, webhook: Hook) -> None:
    await courier.deliver(webhook.url("desk"), LETTER)
    await courier.deliver(webhook.url("desk"), Letter(LETTER.key, "again", "again", is_possible_repeat=True))
    assert [(got.key, got.is_marked) for got in webhook.got] == [(LETTER.key, False), (LETTER.key, True)]
    assert webhook.got[0].content["title"] == LETTER.title


async def test_an_error_and_a_refused_connection_are_failures(courier: AppriseCourier, webhook: Hook) -> None:
    webhook.answers["desk"] = [500]
    with pytest.raises(Undelivered, match="500"):
        await courier.deliver(webhook.url("desk"), LETTER)
    await courier.deliver(webhook.url("desk"), LETTER)
    with pytest.raises(Undelivered):
        await courier.deliver(f"json://127.0.0.1:{free_port()}/desk", LETTER)


async def test_a_server_that_hangs_holds_up_neither_the_loop_nor_others(webhook: Hook, mail: Mailbox) -> None:
    courier = AppriseCourier(patience_s=0.5, socket_s=1.5)
    webhook.answers["desk"] = [0] * PER_SERVER
    hung = [asyncio.create_task(courier.deliver(webhook.url("desk"), LETTER)) for _ in range(PER_SERVER)]
    while not courier.is_busy(webhook.url("desk")):
        await asyncio.sleep(0.01)
    assert not courier.is_busy(mail.url("duty@plant.example"))
    await courier.deliver(mail.url("duty@plant.example"), LETTER)
    for task in hung:
        with pytest.raises(Undelivered) as failure:
            await task
        assert failure.value.is_unknown
    assert courier.is_busy(webhook.url("desk"))  # until their sockets give up
    webhook.hanging.set()
    courier.close()


async def test_a_mail_server_that_says_nothing_is_given_up_on(courier: AppriseCourier) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(Undelivered):
            await courier.deliver(f"mailto://127.0.0.1:{port}/?from=a@plant.example&to=b@plant.example", LETTER)


async def test_a_fault_reaches_a_phone_over_the_second_channel_when_the_first_fails(
    tmp_path: Path, webhook: Hook, mail: Mailbox, courier: AppriseCourier
) -> None:
    async with desk(tmp_path) as there:
        async with there.database.write() as connection:
            await service.add_user(connection, "wang", "technician", None, 1)
            for url in (webhook.url("wang"), mail.url("wang@plant.example")):
                await contacts.add_channel(connection, "person:wang", url, 1, "tests")
        webhook.answers["wang"] = [500]
        gateway = await there.gateway()
        await gateway.tell(announcement(), raised(there.clock.ms))
        state = there.app.state
        await Notifier(state.database, state.desk, there.clock, lambda *_: None, courier, "https://desk.example").tick()
        assert await notices(there, "state", "attempts", "receipt") == [("sent", 2, f"taken by 127.0.0.1:{mail.port}")]
        (letter,) = mail.letters
        assert letter["X-Plantroom-Notice"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("jsons://hooks.example/services/T0/secret-token", "jsons://hooks.example/…"),
        ("mailtos://desk:password@smtp.example/?to=duty@plant.example", "mailtos://desk:****@smtp.example/duty%40plant.example"),
        ("dingtalk://0123456789abcdef/13800000000", "dingtalk://0...f/13800000000/"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert look_at(url).label == shown


@pytest.mark.parametrize("url", ["wang", "nonsense://x", "mailto://", "syslog://", "json://"])
def test_what_is_no_address_is_refused_at_entry(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|screen"):
        look_at(url)


def test_a_reason_holds_nothing_of_the_address() -> None:
    url = "jsons://desk:password@hooks.example/T0/secret-token"
    assert scrub("cannot log in to hooks.example as password for /T0/secret-token", url) == (
        "cannot log in to hooks.example as … for /T0/…"
    )
