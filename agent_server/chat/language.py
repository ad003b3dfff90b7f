"""What the desk itself says in a chat, in the language of the question."""

from dataclasses import dataclass
from typing import Final

from agent_server.chat.events import BudgetReached, Stop

HAN: Final = ("\u3400", "\u9fff")


@dataclass(frozen=True, slots=True)
class Language:
    """The desk's own sentences in one language."""

    code: str
    limits: dict[str, str]
    stopped: str
    refused: str
    cut_short: str
    silent: str

    def cut_off(self, reached: BudgetReached) -> str:
        """Say that a turn had to end, and which limit it met."""
        return self.stopped.format(limit=self.limits.get(reached.limit, reached.limit), allowed=reached.allowed)

    def without_answer(self, stop: Stop) -> str:
        """Say why there is no answer when the model gave none."""
        return {Stop.REFUSAL: self.refused, Stop.LENGTH: self.cut_short}.get(stop, self.silent)


ENGLISH: Final = Language(
    code="en",
    limits={
        "model_calls": "questions to the model",
        "tool_calls": "tool calls",
        "tokens": "tokens",
        "seconds": "seconds",
        "cost_usd": "dollars",
        "repeated_failures": "repeats of a failing call",
    },
    stopped="I stopped here: this turn may use {allowed} {limit}. What was found so far is above; ask again to go on.",
    refused="The model declined to answer this.",
    cut_short="The answer was too long for the model and was cut off.",
    silent="The model gave no answer. Ask again, perhaps in other words.",
)
CHINESE: Final = Language(
    code="zh",
    limits={
        "model_calls": "次模型调用",
        "tool_calls": "次工具调用",
        "tokens": "个词元",
        "seconds": "秒",
        "cost_usd": "美元",
        "repeated_failures": "次重复失败的调用",
    },
    stopped="到此为止：本轮最多可用 {allowed} {limit}。已查到的内容见上文；如需继续，请再问一次。",
    refused="模型拒绝回答这个问题。",
    cut_short="回答超出模型的长度限制，已被截断。",
    silent="模型没有给出回答。请再问一次，或换一种说法。",
)


def language_of(text: str) -> Language:
    """Return the language a question is asked in: Chinese when it has a Chinese character, else English."""
    return CHINESE if any(HAN[0] <= character <= HAN[1] for character in text) else ENGLISH
