"""Whose turn it is that goes on: the caller again, with the rights they have now."""

from agent_server.desk import Desk
from core.access.model import Caller, CallerKind, TokenStatus
from core.access.problems import TokenNotFound
from core.conversation.model import Conversation

CLIENT = "dingpan chat, resumed"


async def caller_again(desk: Desk, conversation: Conversation) -> Caller | None:
    """Return the owner of a conversation as a caller; None when their token ended or the person was locked out.

    Rights are read anew: what was taken away meanwhile is gone. The consent to the waiting call is the approval.
    """
    access, team_id = desk.services.access, conversation.team_id
    kind, _, number = conversation.owner.partition(":")
    async with desk.unit_of_work(read_only=True) as uow:
        people = await access.users(uow, team_id)
        user = next((one for one in people if one.user_id == conversation.user_id and one.is_active), None)
        if user is None:
            return None
        if kind == CallerKind.TOKEN.value:
            try:
                token = await access.token(uow, team_id, int(number))
            except TokenNotFound:
                return None
            alive = token.status is TokenStatus.ACTIVE
            return access.token_caller(token, user, client=CLIENT) if alive else None
    return Caller(
        kind=CallerKind.LOCAL if kind == CallerKind.LOCAL.value else CallerKind.SESSION,
        user_id=user.user_id,
        username=user.username,
        team_id=user.team_id,
        team_name=user.team_name,
        role=user.role,
        all_scopes=True,
        client=CLIENT,
    )
