"""/.well-known/jwks.json: what others check our access tokens by (RFC 7517, RFC 8037)."""

from base64 import urlsafe_b64encode

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from litestar import Response, get
from litestar.di import NamedDependency

from api.auth import Open
from infra.keyring import EDDSA
from infra.runtime import Runtime
from infra.signing_keys import LEAD_S


class Jwk(msgspec.Struct, frozen=True):
    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = EDDSA
    use: str = "sig"


class Jwks(msgspec.Struct, frozen=True):
    keys: list[Jwk]


@get("/.well-known/jwks.json", opt={"action": Open.PUBLIC}, tags=["auth"], security=[])
async def jwks(runtime: NamedDependency[Runtime]) -> Response[Jwks]:
    """Also the key that signs next: who keeps this for a minute knows every key in time."""
    keys = [
        Jwk(key.kid, _text(key.checks))
        for key in runtime.keys.public(runtime.now())
        if isinstance(key.checks, Ed25519PublicKey)
    ]
    return Response(Jwks(keys), headers={"Cache-Control": f"public, max-age={LEAD_S}"})


def _text(key: Ed25519PublicKey) -> str:
    return urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()
