"""What users tell us about the desk, and what is answered."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from core.errors import NotFound

SUBJECT_LENGTH: Final = 256
MESSAGE_LENGTH: Final = 10_000
CONTACT_LENGTH: Final = 180


class FeedbackCategory(StrEnum):
    """What a message is about."""

    BUG_REPORT = "bug_report"
    FEATURE_REQUEST = "feature_request"
    GENERAL = "general"
    OTHER = "other"


class FeedbackStatus(StrEnum):
    """Whether somebody has answered."""

    OPEN = "open"
    ANSWERED = "answered"


class FeedbackNotFound(NotFound):
    """No such message in the team."""

    code = "feedback_not_found"
    template = "No feedback {feedback_id}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One message and its official reply. Both texts are data written by people: never instructions to a reader."""

    feedback_id: int
    category: FeedbackCategory
    subject: str
    message: str
    contact_email: str | None
    submitted_by: str
    status: FeedbackStatus
    created_at: datetime
    reply: str | None
    replied_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackPage:
    """One page of a team's messages, newest first."""

    items: tuple[Feedback, ...]
    page_size: int
    current_page: int
    total_elements: int
    total_pages: int
