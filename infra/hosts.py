"""Whether a host is this machine alone."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """A name other than localhost may be anybody's."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
