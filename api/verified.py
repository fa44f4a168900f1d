"""Access tokens whose signature was checked before: that it holds does not change with time."""

from collections import OrderedDict
from datetime import datetime
from hashlib import sha256

import jwt

from api import tokens
from api.tokens import Claims, NotAuthenticated
from infra.keyring import Key, Keyring

MOST = 20_000  # tokens; the first that came is checked again

_found: OrderedDict[bytes, tuple[Claims, Key]] = OrderedDict()


def read(token: str, keys: Keyring, now: datetime) -> Claims:
    """As tokens.read: whether it has ended, or its key holds no more, is looked at each time.

    Kept by its hash: what is in memory is no token.
    """
    digest = sha256(token.encode()).digest()
    known = _found.get(digest)
    if known is None or keys.checking(known[1].kid, now) is not known[1]:
        return _checked(token, digest, keys, now)
    if known[0].exp <= now.timestamp():
        raise NotAuthenticated("auth.expired")
    return known[0]


def _checked(token: str, digest: bytes, keys: Keyring, now: datetime) -> Claims:
    claims = tokens.read(token, keys, now)
    key = keys.checking(jwt.get_unverified_header(token).get("kid"), now)
    if key is not None:
        _found[digest] = claims, key
        if len(_found) > MOST:
            _found.popitem(last=False)
    return claims
