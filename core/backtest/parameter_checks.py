"""What the parameters of a strategy must be."""

from core.backtest.problems import ParameterInvalid


def require_length(name: str, value: object, *, least: int = 1) -> None:
    """Raise `ParameterInvalid` unless `value` is a whole number of bars of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ParameterInvalid(name=name, reason=f"{value!r} is not a whole number of at least {least}")


def require_between(name: str, value: object, *, low: float, high: float) -> None:
    """Raise `ParameterInvalid` unless `value` is a number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ParameterInvalid(name=name, reason=f"{value!r} is not a number from {low:g} to {high:g}")


def require_size(name: str, value: object) -> None:
    """Raise `ParameterInvalid` unless `value` is a size that orders take: "all" or a part above 0 and up to 1."""
    if value == "all" or (isinstance(value, float) and 0.0 < value <= 1.0):
        return
    raise ParameterInvalid(name=name, reason=f'{value!r} is neither "all" nor a float above 0 and up to 1')
