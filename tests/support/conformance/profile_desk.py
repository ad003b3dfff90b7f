"""`python -m tests.support.conformance.profile_desk`: `dingpan serve` with the suite's fixtures on its MCP server.

Everything else is as in production, the tokens too. The shipped program has no way to do this: the fixtures live with
the tests, and only this module hands them to the server's factory.
"""

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from core.settings import Settings
from tests.support.conformance.overlay import lay_over
from tests.support.real_desk import ROOT, RealDesk


class ProfileDesk(RealDesk):
    """A desk whose server carries the fixtures."""

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the server with the fixtures; any other command is the shipped one."""
        if arguments != ("serve",):
            return super().spawn(*arguments)
        program = [sys.executable, "-W", "ignore", "-m", "tests.support.conformance.profile_desk"]
        return subprocess.Popen(program, env=self.environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=self.log)


@contextmanager
def profile_of(shipped: RealDesk) -> Iterator[ProfileDesk]:
    """Run a second server over the folder of a desk, with the fixtures. The desk's tokens are good for both."""
    profile = ProfileDesk(shipped.home, settings=shipped.settings)
    try:
        profile.start()
        yield profile
    finally:
        profile.close()


def serve(settings: Settings) -> None:
    """Serve on this machine only, until stopped."""
    from agent_server.cli.serve_command import listen, serve_until_stopped
    from agent_server.mcp_transport import http_app

    assert settings.is_loopback, "the fixtures are for this machine only"
    http_app.build_server = functools.partial(http_app.build_server, extension=lay_over)  # type: ignore[attr-defined]
    with listen(settings) as listener:
        failure = serve_until_stopped(settings, listener)
    if failure is not None:
        raise failure


if __name__ == "__main__":
    serve(Settings.from_env(os.environ))
