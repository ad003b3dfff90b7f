"""Sending through apprise, to four kinds of channel and no other: it knows a hundred, some of which run programs."""

import logging
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from core.notify.model import Channel, ChannelAddressInvalid, ChannelKind, Notice, NoticeFailed

SCHEMES: Final = {
    ChannelKind.FEISHU: "feishu",
    ChannelKind.DINGTALK: "dingtalk",
    ChannelKind.WECOM: "wecombot",
    ChannelKind.MAIL: "mailtos",
}
WANTED: Final = {
    ChannelKind.FEISHU: "the webhook of a Feishu bot: https://open.feishu.cn/open-apis/bot/v2/hook/...",
    ChannelKind.DINGTALK: (
        "the webhook of a DingTalk robot, https://oapi.dingtalk.com/robot/send?access_token=..., "
        "or dingtalk://SECRET@TOKEN for one that signs"
    ),
    ChannelKind.WECOM: "the webhook of a WeCom robot: https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=...",
    ChannelKind.MAIL: "mailtos://USER:PASSWORD@SMTP-HOST?from=SENDER&to=RECEIVER",
}


def normalised(kind: ChannelKind, address: str) -> str:
    """Return the address in the one form it is stored in. Raises `ChannelAddressInvalid`; never repeats the address."""
    wrong = ChannelAddressInvalid(kind=kind.value, wanted=WANTED[kind])
    try:
        shaped = _from_webhook(kind, address.strip())
        if urlsplit(shaped).scheme != SCHEMES[kind]:
            raise wrong
        _sender(kind, shaped)
    except ValueError:
        raise wrong from None  # the cause would repeat the address
    return shaped


def send(channel: Channel, address: str, notice: Notice) -> None:
    """Send one notice and wait for the answer; takes as long as the network does. Raises `NoticeFailed`."""
    if not _sender(channel.kind, address).notify(title=notice.title, body=notice.text):
        raise NoticeFailed(kind=channel.kind.value, name=channel.name)


def _from_webhook(kind: ChannelKind, address: str) -> str:
    """Turn the address that a service shows its users into apprise's form; leave that form as it is."""
    url = urlsplit(address)
    if url.scheme != "https":
        return address
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    secret = {
        ("open.feishu.cn", ChannelKind.FEISHU): url.path.rpartition("/")[2],
        ("oapi.dingtalk.com", ChannelKind.DINGTALK): query.get("access_token", ""),
        ("qyapi.weixin.qq.com", ChannelKind.WECOM): query.get("key", ""),
    }.get((url.hostname or "", kind), "")
    return f"{SCHEMES[kind]}://{secret}/" if secret else ""


def _senders() -> dict[ChannelKind, Any]:
    """Return the four senders, by their own modules: asking apprise itself would import all of its hundred."""
    from apprise.plugins.dingtalk import NotifyDingTalk  # noqa: PLC0415 - only a desk with channels pays for it
    from apprise.plugins.email import NotifyEmail  # noqa: PLC0415 - only a desk with channels pays for it
    from apprise.plugins.feishu import NotifyFeishu  # noqa: PLC0415 - only a desk with channels pays for it
    from apprise.plugins.wecombot import NotifyWeComBot  # noqa: PLC0415 - only a desk with channels pays for it

    return {
        ChannelKind.FEISHU: NotifyFeishu,
        ChannelKind.DINGTALK: NotifyDingTalk,
        ChannelKind.WECOM: NotifyWeComBot,
        ChannelKind.MAIL: NotifyEmail,
    }


def _sender(kind: ChannelKind, address: str) -> Any:
    """Return apprise's sender for an address. Raises `ValueError` for one it cannot read."""
    logging.getLogger("apprise").disabled = True  # it writes addresses, which are secrets, into its messages
    sender = _senders()[kind]
    parts = sender.parse_url(address)
    if parts is None:
        raise ValueError
    return sender(**parts)  # its errors are ValueErrors too
