"""What an operator can set. Read once from the environment at start, then passed on; never looked up again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import platformdirs

from core.errors import Invalid

PREFIX: Final = "DINGPAN_"
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class SettingInvalid(Invalid):
    """An environment variable holds something that cannot be used."""

    code = "setting_invalid"
    template = "{name}={value!r} cannot be used: {reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of a desk, with its default.

    `home` holds all that a desk owns: copying it moves the desk. `database_url` is empty for the SQLite file inside
    `home`. `public_url` is where people and agents reach the desk; approval addresses are built from it.
    `worker` lets the server carry out runs too; `cluster` is the address of a dask scheduler that sweeps spread
    over; `warm_kernels` lets the server compile the engine's kernels beside itself after a start where they are not;
    `run_days` is how long ended runs are listed with their logs, 0 for ever; their results stay. `model` names the
    model of the chat as `core.llm.clients` explains; empty means that of the only key, or none. The `turn_` settings
    are the most that one turn of a chat may use. `token` and `preset` are of `dingpan mcp`: whose rights it has, and
    which tools it lists.
    """

    home: Path
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8765
    public_url: str = ""
    allow_registration: bool = False
    live_market: bool = False
    log_format: str = "console"
    session_idle_hours: int = 12
    token_days: int = 90
    approval_minutes: int = 10
    approval_use_minutes: int = 5
    pending_limit: int = 5
    call_timeout_seconds: float = 60.0
    rate_limits: bool = True
    worker: bool = True
    cluster: str = ""
    warm_kernels: bool = True
    run_days: int = 90
    model: str = ""
    openai_api_key: str = field(default="", repr=False)
    openai_base_url: str = ""
    anthropic_api_key: str = field(default="", repr=False)
    anthropic_base_url: str = ""
    turn_model_calls: int = 12
    turn_tool_calls: int = 24
    turn_tokens: int = 200_000
    turn_seconds: float = 180.0
    turn_cost_usd: float = 1.0
    metrics_token: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    preset: str = ""

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> "Settings":
        """Read `DINGPAN_*`. An unknown name or a value of the wrong kind is an error, never ignored."""
        given = {name[len(PREFIX) :].lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
        kinds: dict[str, Any] = {name: kind for name, kind in cls.__annotations__.items() if name != "home"}
        unknown = sorted(set(given) - set(kinds) - {"home"})
        if unknown:
            known = ", ".join(f"{PREFIX}{name.upper()}" for name in sorted({"home", *kinds}))
            raise SettingInvalid(
                name=PREFIX + unknown[0].upper(), value=given[unknown[0]], reason=f"no such setting; there are {known}"
            )
        home = Path(given.pop("home", "") or platformdirs.user_data_dir("dingpan", appauthor=False)).expanduser()
        return cls(home=home.resolve(), **{name: _convert(name, value, kinds[name]) for name, value in given.items()})

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in use, with an async driver."""
        if not self.database_url:
            return f"sqlite:///{self.home / 'desk.sqlite3'}"
        scheme, separator, rest = self.database_url.partition("://")
        drivers = {"postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
        return f"{drivers.get(scheme, scheme)}{separator}{rest}"

    @property
    def executor_url(self) -> str:
        """Where the executor of runs keeps its own tables: a file in `home`, or the same PostgreSQL."""
        if not self.database_url or self.database_url.partition(":")[0].partition("+")[0] == "sqlite":
            return f"sqlite:///{self.home / 'runs.sqlite3'}"
        return f"postgresql://{self.database_url.partition('://')[2]}"

    @property
    def market_folder(self) -> Path:
        """Where prices and reference data live, as Parquet."""
        return self.home / "market"

    @property
    def keys_folder(self) -> Path:
        """Where the desk's own keys live; readable by its owner only."""
        return self.home / "keys"

    @property
    def base_url(self) -> str:
        """The address written into approval links, without a trailing slash."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{shown}:{self.port}").rstrip("/")

    @property
    def is_loopback(self) -> bool:
        """True when the desk is reached on this machine only, over plain HTTP: cookies then go without `Secure`."""
        address = urlsplit(self.base_url)
        return address.scheme == "http" and (address.hostname or "") in LOOPBACK


def _convert(name: str, value: str, kind: Any) -> Any:
    """Turn an environment text into the type of the setting `name`."""
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]
        return kind(value)
    except (KeyError, ValueError) as error:
        wanted = "true or false" if kind is bool else f"a value of type {kind.__name__} is needed"
        raise SettingInvalid(name=PREFIX + name.upper(), value=value, reason=wanted) from error
