"""The server over streamable HTTP: bearer tokens, RFC 9728 metadata, checks of Host and Origin."""

from typing import Final
from urllib.parse import urlsplit

from mcp.server.auth.settings import AuthSettings
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl

from agent_server.desk import Desk
from agent_server.mcp_transport.identity import DeskVerifier, RequestIdentity
from agent_server.mcp_transport.server import build_server
from agent_server.mcp_transport.sessions import BoundedSessions
from core.settings import LOOPBACK, Settings

MOST_BYTES: Final = 10 * 1024 * 1024
"""As much as the REST door reads of a known caller."""
MOST_SESSIONS: Final = 4_000
"""Of all tokens; each takes about 50 KB."""
IDLE_SECONDS: Final = 900.0


def http_app(desk: Desk, *, path: str) -> tuple[BoundedSessions, StreamableHTTPSessionManager]:
    """Return the application, answering at `path`, and the manager whose `run()` it needs while it answers."""
    settings = desk.services.settings
    resource = settings.base_url + path
    server = build_server(desk, identity=RequestIdentity(desk))
    app = server.streamable_http_app(
        streamable_http_path=path,
        max_request_body_size=MOST_BYTES,
        max_sessions=MOST_SESSIONS,
        session_idle_timeout=IDLE_SECONDS,
        transport_security=security(settings),
        auth=AuthSettings(
            issuer_url=AnyHttpUrl(settings.base_url),
            resource_server_url=AnyHttpUrl(resource),
            validate_token_resource=True,
        ),
        token_verifier=DeskVerifier(desk, resource=resource),
    )
    return BoundedSessions(app), server.session_manager


def security(settings: Settings) -> TransportSecuritySettings:
    """Return the hosts and origins that are answered: the public address, the own interface, this machine."""
    public = urlsplit(settings.base_url)
    hosts = [_bracketed(name) for name in sorted({*LOOPBACK, settings.host})]
    names = [*hosts, *(f"{name}:*" for name in hosts), public.netloc, public.hostname or ""]
    origins = [f"{public.scheme}://{public.netloc}"]
    if settings.is_loopback:
        own = [_bracketed(name) for name in sorted(LOOPBACK)]
        origins += [f"http://{name}{port}" for name in own for port in ("", ":*")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=[name for name in names if name], allowed_origins=origins
    )


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name
