"""Channels: their addresses, their secrets, and each notice sent once by whoever claims it first."""

import asyncio
import json
import smtplib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import text

from core.access.service import AccessService
from core.clock import FrozenClock
from core.ids import SeededIds
from core.notify import channels
from core.notify.model import (
    Channel,
    ChannelAddressInvalid,
    ChannelKind,
    ChannelNameTaken,
    ChannelNotFound,
    Notice,
    NoticeFailed,
    NoticeState,
)
from core.notify.service import NotifyService
from core.secrets import SecretBox
from core.settings import Settings
from core.storage.database import Database

FEISHU = "https://open.feishu.cn/open-apis/bot/v2/hook/abc-123"
NOTICE = Notice("apr_1", "Title", "Please decide: http://127.0.0.1/approvals/apr_1")


class Outside:
    """What apprise would have sent, and what the other side answers."""

    def __init__(self) -> None:
        self.status = 200
        self.posts: list[tuple[str, Any]] = []
        self.mails: list[str] = []

    def post(self, url: str, data: Any = None, **_: Any) -> requests.Response:
        self.posts.append((url, json.loads(data)))
        answer = requests.Response()
        answer.status_code = self.status
        answer._content = b'{"StatusCode": 0, "errcode": 0, "code": 0}'
        return answer


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    fake = Outside()
    monkeypatch.setattr(requests, "post", fake.post)
    return fake


@pytest.fixture
def notify(clock: FrozenClock, ids: SeededIds, tmp_path: Path) -> NotifyService:
    return NotifyService(clock, SecretBox(tmp_path / "secrets.key", ids))


@pytest.fixture
async def teams(database: Database, clock: FrozenClock, ids: SeededIds, tmp_path: Path) -> list[int]:
    access = AccessService(ids, clock, Settings(home=tmp_path))
    found = []
    for name in ("anna", "ben"):
        async with database.unit_of_work() as uow:
            user = await access.register_user(uow, username=name, password="long enough 1", email="")
            await uow.commit()
        found.append(user.team_id)
    return found


async def add(
    notify: NotifyService, database: Database, team_id: int, *, name: str = "desk", address: str = FEISHU
) -> Channel:
    async with database.unit_of_work() as uow:
        channel = await notify.add(
            uow, team_id, name=name, kind=ChannelKind.FEISHU, address=address, created_by="operator"
        )
        await uow.commit()
    return channel


@pytest.mark.parametrize(
    ("kind", "address", "url", "said"),
    [
        (ChannelKind.FEISHU, FEISHU, "https://open.feishu.cn/open-apis/bot/v2/hook/abc-123/", ("content", "text")),
        (
            ChannelKind.DINGTALK,
            "https://oapi.dingtalk.com/robot/send?access_token=0a1b2c",
            "https://oapi.dingtalk.com/robot/send?access_token=0a1b2c",
            ("markdown", "text"),
        ),
        (
            ChannelKind.WECOM,
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0a1b-2c3d",
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0a1b-2c3d",
            ("text", "content"),
        ),
    ],
)
def test_the_webhook_that_a_service_shows_is_the_address(
    outside: Outside, clock: FrozenClock, kind: ChannelKind, address: str, url: str, said: tuple[str, str]
) -> None:
    channel = Channel(1, 1, "desk", kind, clock.now(), "operator")
    channels.send(channel, channels.normalised(kind, f" {address}\n"), NOTICE)
    ((sent_to, body),) = outside.posts
    assert sent_to == url
    heading, text = said
    assert (
        "Please decide: http://127.0.0.1/approvals/apr_1"
        in body.get(heading, body.get("text"))[text if heading in body else "content"]
    )


def test_a_notice_goes_out_as_mail(monkeypatch: pytest.MonkeyPatch, clock: FrozenClock) -> None:
    sent: list[tuple[str, str]] = []

    class Server:
        def __init__(self, host: str, port: int, *_: Any, **__: Any) -> None:
            self.host = host

        def sendmail(self, sender: str, receivers: Any, body: str) -> None:
            sent.append((f"{self.host} {sender} {sorted(receivers)}", body))

        def __getattr__(self, _: str) -> Any:
            return lambda *_, **__: None

    monkeypatch.setattr(smtplib, "SMTP", Server)
    monkeypatch.setattr(smtplib, "SMTP_SSL", Server)
    address = "mailtos://me:word@smtp.example.com?from=desk@example.com&to=boss@example.com"
    channel = Channel(1, 1, "post", ChannelKind.MAIL, clock.now(), "operator")
    channels.send(channel, channels.normalised(ChannelKind.MAIL, address), NOTICE)
    ((envelope, body),) = sent
    assert envelope == "smtp.example.com desk@example.com ['boss@example.com']"
    assert "Subject: Title" in body


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        (ChannelKind.FEISHU, ""),
        (ChannelKind.FEISHU, "https://evil.example/open-apis/bot/v2/hook/abc-123"),
        (ChannelKind.FEISHU, "https://open.feishu.cn.evil.example/hook/abc"),
        (ChannelKind.FEISHU, "json://127.0.0.1:9000/internal"),
        (ChannelKind.FEISHU, "feishu://"),
        (ChannelKind.WECOM, FEISHU),
        (ChannelKind.MAIL, "syslog://"),
        (ChannelKind.MAIL, "windows://"),
        (ChannelKind.MAIL, "https://[broken"),
        (ChannelKind.DINGTALK, "https://oapi.dingtalk.com/robot/send?token=x"),
    ],
)
def test_only_addresses_of_the_kind_are_taken_and_none_is_repeated(kind: ChannelKind, address: str) -> None:
    with pytest.raises(ChannelAddressInvalid) as caught:
        channels.normalised(kind, address)
    assert "Needed is" in caught.value.message
    assert not address or address not in caught.value.message


@pytest.mark.anyio
async def test_the_address_is_kept_encrypted_and_never_shown(
    notify: NotifyService, database: Database, teams: list[int], outside: Outside
) -> None:
    channel = await add(notify, database, teams[0])
    async with database.unit_of_work(read_only=True) as uow:
        rows = await uow.fetch_all(text("SELECT * FROM notice_channels"))
        assert "abc-123" not in repr(rows)
        assert await notify.channels(uow, teams[0]) == [channel]
        assert "abc-123" not in repr(channel)
        await notify.try_out(uow, teams[0], name="desk", notice=NOTICE)
    assert outside.posts[0][0].endswith("/abc-123/")


@pytest.mark.anyio
async def test_channels_of_other_teams_do_not_exist(
    notify: NotifyService, database: Database, teams: list[int], outside: Outside
) -> None:
    await add(notify, database, teams[0])
    async with database.unit_of_work(read_only=True) as uow:
        assert await notify.channels(uow, teams[1]) == []
        with pytest.raises(ChannelNotFound):
            await notify.try_out(uow, teams[1], name="desk", notice=NOTICE)
    async with database.unit_of_work() as uow:
        with pytest.raises(ChannelNotFound):
            await notify.remove(uow, teams[1], name="desk")
    with pytest.raises(ChannelNameTaken):
        await add(notify, database, teams[0])
    await add(notify, database, teams[1])
    assert outside.posts == []


@pytest.mark.anyio
async def test_of_many_processes_one_sends(
    notify: NotifyService, database: Database, teams: list[int], outside: Outside
) -> None:
    channel = await add(notify, database, teams[0])
    states = await asyncio.gather(*(notify.deliver(database, channel, NOTICE) for _ in range(8)))
    assert sorted(states, key=str) == [None] * 7 + [NoticeState.SENT]
    assert len(outside.posts) == 1


@pytest.mark.anyio
async def test_a_refused_notice_is_tried_three_times(
    notify: NotifyService, database: Database, teams: list[int], outside: Outside, clock: FrozenClock
) -> None:
    channel = await add(notify, database, teams[0])
    outside.status = 500
    assert await notify.deliver(database, channel, NOTICE) is NoticeState.FAILED
    assert await notify.deliver(database, channel, NOTICE) is None
    clock.advance(timedelta(seconds=30))
    assert await notify.deliver(database, channel, NOTICE) is NoticeState.FAILED
    clock.advance(timedelta(seconds=30))
    outside.status = 200
    assert await notify.deliver(database, channel, NOTICE) is NoticeState.SENT
    clock.advance(timedelta(seconds=300))
    assert await notify.deliver(database, channel, NOTICE) is None
    assert len(outside.posts) == 3


@pytest.mark.anyio
async def test_a_process_that_died_while_sending_is_stood_in_for(
    notify: NotifyService,
    database: Database,
    teams: list[int],
    outside: Outside,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channel = await add(notify, database, teams[0])

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(channels, "send", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        await notify.deliver(database, channel, NOTICE)
    assert await notify.deliver(database, channel, NOTICE) is None
    clock.advance(timedelta(seconds=30))
    assert await notify.deliver(database, channel, NOTICE) is NoticeState.SENT


@pytest.mark.anyio
async def test_a_removed_channel_gets_nothing(
    notify: NotifyService, database: Database, teams: list[int], outside: Outside
) -> None:
    channel = await add(notify, database, teams[0])
    await notify.deliver(database, channel, NOTICE)
    async with database.unit_of_work() as uow:
        await notify.remove(uow, teams[0], name="desk")
        await uow.commit()
    async with database.unit_of_work(read_only=True) as uow:
        assert await notify.everybody(uow) == []
        with pytest.raises(ChannelNotFound):
            await notify.try_out(uow, teams[0], name="desk", notice=NOTICE)


def test_a_refusal_is_said_without_the_address(outside: Outside, clock: FrozenClock, caplog) -> None:
    outside.status = 403
    channel = Channel(1, 1, "desk", ChannelKind.FEISHU, clock.now(), "operator")
    with pytest.raises(NoticeFailed) as caught:
        channels.send(channel, channels.normalised(ChannelKind.FEISHU, FEISHU), NOTICE)
    assert "abc-123" not in caught.value.message + caplog.text
