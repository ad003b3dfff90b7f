"""Tells people that approvals wait for them, on the channels their team set up.

A notice names the skill, who asks and where to decide; never a parameter, for the channel is another company's server.
"""

import asyncio
from typing import Final

import structlog

from agent_server.desk import Desk
from core.access.model import Approval
from core.clock import CHINA
from core.errors import DeskError
from core.notify.model import Notice, NoticeState

LOOK_SECONDS: Final = 3.0

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


async def send_due(desk: Desk) -> int:
    """Send every notice that is due; return how many went out."""
    services, sent = desk.services, 0
    async with desk.unit_of_work(read_only=True) as uow:
        channels = await services.notify.everybody(uow)
        waiting = {team: await services.access.waiting(uow, team) for team in {item.team_id for item in channels}}
    for channel in channels:
        for approval in waiting[channel.team_id]:
            state = await services.notify.deliver(services.database, channel, notice_of(desk, approval))
            sent += state is NoticeState.SENT
            if state is NoticeState.FAILED:
                log.warning("a notice was not taken", channel=channel.name, kind=channel.kind.value)
    return sent


async def keep_sending(desk: Desk) -> None:
    """Look for due notices until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await send_due(desk)
        except DeskError as error:
            log.warning("notices were not sent", code=error.code)
