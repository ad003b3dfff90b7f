"""Network addresses as those who count failures and calls see them. Pure."""

from ipaddress import IPv6Address, ip_address


def network_of(address: str) -> str:
    """Return whom an address stands for: itself, or of IPv6 its network of 64 bits, which one person fills alone."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return f"address:{address}"
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return f"address:{mapped}" if mapped else f"network:{int(parsed) >> 64:x}"
    return f"address:{parsed}"
