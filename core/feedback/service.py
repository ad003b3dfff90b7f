"""Taking messages in and showing them with their replies."""

from difflib import get_close_matches
from typing import Final

from core.clock import Clock
from core.errors import ArgumentsInvalid, FieldFault
from core.feedback.model import (
    CONTACT_LENGTH,
    MESSAGE_LENGTH,
    SUBJECT_LENGTH,
    Feedback,
    FeedbackCategory,
    FeedbackPage,
)
from core.feedback.store import FeedbackStore
from core.storage.unit_of_work import UnitOfWork

MAXIMUM_PAGE: Final = 200
LAST_PAGE: Final = 1_000_000
SHORT_FORMS: Final = {
    "bug": FeedbackCategory.BUG_REPORT,
    "feature": FeedbackCategory.FEATURE_REQUEST,
    "question": FeedbackCategory.GENERAL,
}


class FeedbackService:
    """Messages of users; made once by `bootstrap`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def submit(
        self,
        uow: UnitOfWork,
        team_id: int,
        *,
        submitted_by: str,
        category: str,
        subject: str,
        message: str,
        contact_email: str | None = None,
    ) -> Feedback:
        """Store a message. Raises `ArgumentsInvalid` with every fault; a short category is named, not guessed."""
        subject, contact_email = subject.strip(), (contact_email or "").strip() or None
        faults = [
            *_category_faults(category),
            *_text_faults("subject", subject, SUBJECT_LENGTH),
            *_text_faults("message", message, MESSAGE_LENGTH),
            *_contact_faults(contact_email),
        ]
        if faults:
            raise ArgumentsInvalid(faults)
        async with uow.write():
            return (
                await FeedbackStore(uow)
                .for_team(team_id)
                .add(
                    category=FeedbackCategory(category),
                    subject=subject,
                    message=message,
                    contact_email=contact_email,
                    submitted_by=submitted_by,
                    created_at=self._clock.now(),
                )
            )

    async def list(self, uow: UnitOfWork, team_id: int, *, page: int = 1, size: int = 20) -> FeedbackPage:
        """Return a page of the team's messages, newest first, with the official replies."""
        if not 1 <= page <= LAST_PAGE or not 1 <= size <= MAXIMUM_PAGE:
            message = f"page counts from 1 to {LAST_PAGE} and size lies between 1 and {MAXIMUM_PAGE}"
            raise ArgumentsInvalid([FieldFault("page", message, got=f"page={page}, size={size}")])
        store = FeedbackStore(uow).for_team(team_id)
        total = await store.count()
        items = await store.page(offset=(page - 1) * size, limit=size)
        return FeedbackPage(
            items=tuple(items),
            page_size=size,
            current_page=page,
            total_elements=total,
            total_pages=-(-total // size),
        )

    async def answer(self, uow: UnitOfWork, team_id: int, *, feedback_id: int, reply: str) -> Feedback:
        """Store the official reply to a message: for the desk's operator, no skill does it."""
        faults = _text_faults("reply", reply, MESSAGE_LENGTH)
        if faults:
            raise ArgumentsInvalid(faults)
        async with uow.write():
            store = FeedbackStore(uow).for_team(team_id)
            return await store.answer(feedback_id, reply=reply, replied_at=self._clock.now())


def _category_faults(category: str) -> list[FieldFault]:
    known = [member.value for member in FeedbackCategory]
    if category in known:
        return []
    word = category.strip().lower()
    close = get_close_matches(word, known, n=1)
    suggestion = SHORT_FORMS.get(word) or (close[0] if close else "")
    return [FieldFault("category", "no such category", expected=", ".join(known), got=category, suggestion=suggestion)]


def _text_faults(path: str, text: str, limit: int) -> list[FieldFault]:
    if not text.strip():
        return [FieldFault(path, "must not be empty", expected=f"1 to {limit} characters")]
    if len(text) > limit:
        message = f"is {len(text)} characters long; at most {limit} are kept"
        return [FieldFault(path, message, expected=f"1 to {limit} characters")]
    return []


def _contact_faults(address: str | None) -> list[FieldFault]:
    if address is None:
        return []
    name, separator, host = address.partition("@")
    if len(address) > CONTACT_LENGTH or not (name and separator and "." in host) or any(map(str.isspace, address)):
        message = f"must be a mail address of at most {CONTACT_LENGTH} characters"
        return [FieldFault("contactEmail", message, expected="name@host", got=address[:CONTACT_LENGTH])]
    return []
