"""Access tokens whose signature was checked before: that it holds does not change with time."""

from collections import OrderedDict
from datetime import datetime
from hashlib import sha256

from api import tokens
from api.tokens import Claims, NotAuthenticated

MOST = 20_000  # tokens; the first that came is checked again

_found: OrderedDict[bytes, Claims] = OrderedDict()


def read(token: str, secret: str, now: datetime) -> Claims:
    """As tokens.read: whether it has ended is looked at each time.

    Kept by a hash with the secret in it: what is in memory is no token, and what another secret
    has signed is not found.
    """
    key = sha256(f"{secret} {token}".encode()).digest()
    known = _found.get(key)
    if known is None:
        known = _found[key] = tokens.read(token, secret, now)
        if len(_found) > MOST:
            _found.popitem(last=False)
    elif known.exp <= now.timestamp():
        raise NotAuthenticated("auth.expired")
    return known
