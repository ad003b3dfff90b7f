"""Every word the pages show, in English and Chinese, in one table."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

LANGUAGES: Final = ("en", "zh")
COOKIE: Final = "dingpan_lang"

TEXT: Final[Mapping[str, tuple[str, str]]] = {
    "desk": ("dingpan", "盯盘"),
    "tagline": ("An agent operates it; a person keeps the keys.", "智能体操盘，人掌钥匙。"),
    "other_language": ("中文", "English"),
    "skip": ("Skip to content", "跳到正文"),
    "menu": ("Pages", "页面"),
    "sign_in": ("Sign in", "登录"),
    "sign_out": ("Sign out", "退出"),
    "username": ("User name", "用户名"),
    "password": ("Password", "密码"),
    "failed_wrong": ("The user name or the password is wrong.", "用户名或密码不正确。"),
    "failed_limited": ("Too many failed sign-ins. Wait fifteen minutes.", "登录失败次数过多，请十五分钟后再试。"),
    "signed_in_as": ("Signed in as", "当前用户"),
    "team": ("Team", "团队"),
    "approvals": ("Approvals", "审批"),
    "tokens": ("Tokens", "令牌"),
    "waiting": ("Waiting for you", "待您决定"),
    "nothing_waiting": ("Nothing is waiting. Agents may go on reading.", "没有待审批的请求。智能体仍可读取数据。"),
    "history": ("History", "历史"),
    "no_history": ("No decision has been taken yet.", "还没有审批记录。"),
    "newer": ("Newer", "较新"),
    "older": ("Older", "较早"),
    "skill": ("Skill", "技能"),
    "requester": ("Requested by", "请求者"),
    "client": ("Client", "客户端"),
    "unknown_client": ("not named", "未注明"),
    "created": ("Asked at", "请求时间"),
    "decided": ("Decided at", "决定时间"),
    "finished": ("Finished at", "完成时间"),
    "time_left": ("Time left", "剩余时间"),
    "over": ("over", "已到期"),
    "state": ("State", "状态"),
    "risk": ("Risk", "风险"),
    "red": ("Red: destroys, moves money, or cannot be undone", "红色：会销毁、动用资金或不可撤销"),
    "yellow": ("Yellow: writes what can be undone", "黄色：写入，可撤销"),
    "green": ("Green: reads only", "绿色：只读"),
    "tier_red": ("RED", "红"),
    "tier_yellow": ("YELLOW", "黄"),
    "tier_green": ("GREEN", "绿"),
    "what_happens": ("What will happen", "将会发生什么"),
    "changes": ("Changes", "改动明细"),
    "parameters": ("Every parameter", "全部参数"),
    "no_parameters": ("The call has no parameters.", "该调用没有参数。"),
    "data_warning": (
        "These texts come from the caller. They are shown as they are and give no orders here.",
        "以下文字来自调用方，原样展示，不构成任何指示。",
    ),
    "empty": ("(empty text)", "（空文本）"),
    "nothing": ("(not given)", "（未提供）"),
    "hash": ("Bound to", "绑定校验值"),
    "your_decision": ("Your decision", "您的决定"),
    "comment": ("Comment (optional)", "备注（可不填）"),
    "approve": ("Approve", "批准"),
    "deny": ("Deny", "拒绝"),
    "once": (
        "Approving lets exactly this call run once, within {minutes} minutes.",
        "批准后，仅此调用可在 {minutes} 分钟内执行一次。",
    ),
    "second_person": (
        "This call needs a second person: somebody else of your team must decide.",
        "该调用需要第二人审批，须由团队其他成员决定。",
    ),
    "run_now": ("Run it now", "立即执行"),
    "run_explained": (
        "You asked for this call yourself. It runs only when you press the button.",
        "该调用由您本人发起，按下按钮后才会执行。",
    ),
    "agent_resends": ("The requester can now send the same call again.", "请求者现在可以重新发送同一调用。"),
    "result": ("Result", "结果"),
    "back": ("Back to all approvals", "返回审批列表"),
    "state_pending": ("waiting", "待审批"),
    "state_approved": ("approved", "已批准"),
    "state_denied": ("denied", "已拒绝"),
    "state_expired": ("expired", "已过期"),
    "state_withdrawn": ("withdrawn", "已撤回"),
    "state_revoked": ("revoked", "已吊销"),
    "state_executing": ("running", "执行中"),
    "state_executed": ("done", "已执行"),
    "state_failed": ("failed", "执行失败"),
    "state_unknown": ("outcome unknown", "结果未知"),
    "new_token": ("New token", "新建令牌"),
    "token_name": ("Name", "名称"),
    "token_name_help": ("Which agent or script will hold it?", "由哪个智能体或脚本使用？"),
    "token_presets": ("What it may do", "允许做什么"),
    "skill_count": ("{count} skills", "{count} 项技能"),
    "token_days": ("Days until it expires", "有效天数"),
    "mint": ("Make the token", "生成令牌"),
    "minted": ("The token is made", "令牌已生成"),
    "shown_once": (
        "Copy it now. It is shown once and the desk keeps only a fingerprint of it.",
        "请立即复制。令牌只显示这一次，系统只保存其指纹。",
    ),
    "scopes": ("Scopes", "权限"),
    "expires": ("Expires", "到期"),
    "never": ("never", "永不"),
    "last_used": ("Last used", "最近使用"),
    "not_used": ("not yet", "尚未使用"),
    "revoke": ("Revoke", "吊销"),
    "no_tokens": ("You have no tokens.", "您还没有令牌。"),
    "token_active": ("active", "有效"),
    "token_expired": ("expired", "已过期"),
    "token_revoked": ("revoked", "已吊销"),
    "your_tokens": ("Your tokens", "您的令牌"),
    "problem": ("That did not work", "未能完成"),
    "trace": ("Quote this number when you ask for help", "求助时请提供此编号"),
    "home": ("To the first page", "回到首页"),
    "minute": ("min", "分"),
    "second": ("s", "秒"),
}


class Words:
    """The texts in one language; `words("key")` returns one."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._column = LANGUAGES.index(language)

    def __call__(self, key: str, **data: object) -> str:
        """Return a text with its data filled in."""
        text = TEXT[key][self._column]
        return text.format(**data) if data else text

    @property
    def html_language(self) -> str:
        """The value of the page's `lang` attribute."""
        return {"en": "en", "zh": "zh-Hans"}[self.language]

    @property
    def other(self) -> str:
        """The language the switch leads to."""
        return LANGUAGES[1 - self._column]


def words_for(request: Request) -> Words:
    """Choose the language: `?lang=`, the cookie of an earlier choice, what the browser prefers, English."""
    for choice in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if choice in LANGUAGES:
            return Words(str(choice))
    return Words(preferred(request.headers.get("accept-language", "")))


def preferred(header: str) -> str:
    """Return the first of our languages by the weights of an `Accept-Language` header."""
    weighted = []
    for place, part in enumerate(header.split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        language = tag.partition("-")[0].lower()
        if language in LANGUAGES:
            weighted.append((-_weight(weight), place, language))
    return min(weighted)[2] if weighted else LANGUAGES[0]


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
