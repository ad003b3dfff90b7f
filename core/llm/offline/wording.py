"""The stand-in's own sentences, in both languages."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Wording:
    """Sentences of one language. Every answer ends with `no_model`."""

    no_model: str
    unsure: str
    nothing: str
    missing: str
    code: str
    which: str
    unknown: str
    failed: str
    reads_only: str
    ignored: str
    help: str


ENGLISH: Final = Wording(
    no_model=(
        "(No model is configured: I matched words of your question to a tool and quote its figures. For real answers "
        "set DINGPAN_MODEL, such as anthropic:NAME or openai:NAME, and the key of its provider, "
        "DINGPAN_ANTHROPIC_API_KEY or DINGPAN_OPENAI_API_KEY.)"
    ),
    unsure="I am not sure what you mean. These come nearest; ask for one of them:",
    nothing="I found no tool here that answers this.",
    missing="That would be '{title}', but the question does not say: {what}. Please add it.",
    code="the code of the instrument, such as 600519",
    which="More than one instrument is called {name}. Please ask with a code:",
    unknown="I found no instrument called {name}. Please ask with its code.",
    failed="The desk could not answer: {reason}",
    reads_only=(
        "That would be '{title}' ({name}), which changes something. Without a model I only read; "
        "call it yourself through the page, the command line or REST."
    ),
    ignored="(Not limited to {what}: this tool cannot be told so.)",
    help="Without a model I read figures of this desk, by a question such as 'check my portfolio P/L'. I know:",
)
CHINESE: Final = Wording(
    no_model=(
        "（没有配置模型：以上是按问题里的词找到的工具，并引用它的数字。要由模型来回答，请设置 DINGPAN_MODEL"
        "（如 anthropic:模型名 或 openai:模型名）以及 DINGPAN_ANTHROPIC_API_KEY 或 DINGPAN_OPENAI_API_KEY。）"
    ),
    unsure="不确定您想查什么。最接近的是下面几项，请换成其中一种问法：",
    nothing="这里没有能回答这个问题的工具。",
    missing="这应该用「{title}」，但问题里缺少：{what}。请补充。",
    code="证券代码，例如 600519",
    which="名称含「{name}」的证券不止一只，请用代码提问：",
    unknown="没有找到名为「{name}」的证券，请用代码提问。",
    failed="没能查到：{reason}",
    reads_only="这应该用「{title}」（{name}），它会改动数据。没有模型时只能查询；请通过网页、命令行或 REST 自己执行。",
    ignored="（未按 {what} 筛选：这项查询不支持。）",
    help="没有模型时，可以直接问这里的数字，例如「查一下今天的持仓盈亏」。能查的有：",
)


def wording(*, zh: bool) -> Wording:
    """Return the sentences of a language."""
    return CHINESE if zh else ENGLISH
