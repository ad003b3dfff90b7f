"""Tells people that approvals wait for them, on the channels their team set up.

A notice names the skill, who asks and where to decide; never a parameter, for the channel is another company's server.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

from agent_server.desk import Desk
from core.access.model import Approval
from core.clock import CHINA
from core.notify.model import Channel, Notice, NoticeState
from tools.limits import Allowance, SlidingWindow

LOOK_SECONDS: Final = 3.0
MOST: Final = Allowance("notices", 10, 600.0)
"""Notices of one requester on one channel. Who asks and takes back without end must not wear down those who decide."""

log = structlog.get_logger("agent_server.notices")


def notice_of(desk: Desk, approval: Approval) -> Notice:
    """Return what is said about one approval, in both languages."""
    skill = desk.registry.find(approval.skill_id)
    title, title_zh = (skill.title, skill.title_zh) if skill is not None else (approval.skill_id, "")
    until = approval.expires_at.astimezone(CHINA).strftime("%H:%M:%S")
    return Notice(
        subject_id=approval.approval_id,
        title=f"盯盘 dingpan: {title_zh or title}",
        text=(
            f"{approval.requester_name} asks: {title} ({approval.skill_id}, {approval.risk})\n"
            f"{approval.requester_name} 请求批准：{title_zh or title}\n"
            f"Decide until / 请在此时间前决定：{until} (Asia/Shanghai)\n"
            f"{desk.services.settings.base_url}/approvals/{approval.approval_id}"
        ),
    )


@dataclass(frozen=True, slots=True)
class Notices:
    """Sends what is due, and remembers who asked how often. What is not told waits on the page all the same."""

    desk: Desk
    asked: SlidingWindow = field(default_factory=lambda: SlidingWindow(MOST))

    async def send_due(self) -> int:
        """Send every notice that is due; return how many went out."""
        services, sent = self.desk.services, 0
        async with self.desk.unit_of_work(read_only=True) as uow:
            channels = await services.notify.everybody(uow)
            waiting = {team: await services.access.waiting(uow, team) for team in {item.team_id for item in channels}}
        for channel in channels:
            for approval in waiting[channel.team_id]:
                try:
                    sent += await self._send(channel, approval)
                except Exception as error:  # noqa: BLE001 - one channel must not silence the others
                    log.warning("a notice was not sent", channel=channel.name, kind=type(error).__name__)
        return sent

    async def _send(self, channel: Channel, approval: Approval) -> bool:
        services = self.desk.services
        who, now = f"{channel.channel_id} {approval.requester}", services.clock.monotonic()
        if self.asked.wait(who, now):
            return False
        state = await services.notify.deliver(services.database, channel, notice_of(self.desk, approval))
        if state is not None:
            self.asked.count(who, now)
        if state is NoticeState.FAILED:
            log.warning("a notice was not taken", channel=channel.name, kind=channel.kind.value)
        return state is NoticeState.SENT


async def keep_sending(desk: Desk) -> None:
    """Look for due notices until cancelled."""
    notices = Notices(desk)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await notices.send_due()
        except Exception as error:  # noqa: BLE001 - the database may be back at the next look
            log.warning("notices were not looked for", kind=type(error).__name__)
