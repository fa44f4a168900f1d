from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from api import tokens
from api.tokens import LONGEST_S, MAX_TOKEN, NotAuthenticated
from domain.user import Role
from infra.keyring import SKEW_S, Keyring
from infra.keys import key_for
from infra.settings import Settings, SettingsError
from infra.signing_keys import Pair, kid_of

SECRET = "a-secret-that-is-long-enough-for-hs256"
OTHER = "another-secret-that-is-long-enough-too"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TTL_S = 900
ANN, LOGIN, TOKEN = UUID(int=1), UUID(int=2), UUID(int=3)
CLAIMS = tokens.claims(ANN, Role.MEMBER, LOGIN, TOKEN, NOW, TTL_S)
FIRST, SECOND = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
MINUTE = timedelta(minutes=1)


def pair(
    key: Ed25519PrivateKey,
    signs_from: datetime,
    retired_at: datetime | None = None,
    secret: str = SECRET,
    kid: str = "",
) -> Pair:
    """A row as the database has it."""
    kid, nonce = kid or kid_of(key), bytes(12)
    seal = AESGCM(key_for("signing key", secret))
    sealed = nonce + seal.encrypt(nonce, key.private_bytes_raw(), kid.encode())
    public = key.public_key().public_bytes_raw()
    return Pair(kid, public, sealed, signs_from - MINUTE, signs_from, retired_at)


def ring(pairs: Sequence[Pair] = (), secret: str = SECRET, old: str = "") -> Keyring:
    keys = Keyring(Settings(jwt_secret=secret, jwt_secret_old=old, jwt_access_ttl_s=TTL_S))
    keys.hold(pairs)
    return keys


SHARED = ring()
PAIRED = ring([pair(FIRST, NOW - MINUTE)])
KEYS = pytest.mark.parametrize("keys", [SHARED, PAIRED], ids=["HS256", "EdDSA"])


def refused(token: str, keys: Keyring, now: datetime = NOW) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        tokens.read(token, keys, now)
    return caught.value.code


def forged(keys: Keyring, changes: dict[str, object], **header: object) -> str:
    """Signed by the right key."""
    key = keys.signing(NOW)
    content = {**msgspec.to_builtins(CLAIMS), **changes}
    content = {name: value for name, value in content.items() if value is not None}
    headers = {"kid": key.kid, **header}
    return jwt.encode(content, key.signs, algorithm=key.algorithm, headers=headers)


def kid(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


@KEYS
def test_a_signed_token_says_who_it_is_and_until_when(keys: Keyring) -> None:
    read = tokens.read(tokens.sign(CLAIMS, keys), keys, NOW)
    assert read == CLAIMS
    assert read.expires == NOW + timedelta(seconds=TTL_S)


@KEYS
def test_a_token_ends_at_its_time_and_not_before(keys: Keyring) -> None:
    token = tokens.sign(CLAIMS, keys)
    assert tokens.read(token, keys, NOW + timedelta(seconds=TTL_S - 1)) == CLAIMS
    assert refused(token, keys, NOW + timedelta(seconds=TTL_S)) == "auth.expired"


def test_no_token_is_missing() -> None:
    assert refused("", SHARED) == "auth.missing"


def test_another_secret_does_not_read_it() -> None:
    assert refused(tokens.sign(CLAIMS, SHARED), ring(secret=OTHER)) == "auth.bad_token"


@KEYS
def test_an_unsigned_token_is_refused(keys: Keyring) -> None:
    head = {"kid": keys.signing(NOW).kid}
    content = msgspec.to_builtins(CLAIMS)
    assert refused(jwt.encode(content, "", "none", headers=head), keys) == "auth.bad_token"
    _, body, seal = tokens.sign(CLAIMS, keys).split(".")
    for name in ("none", "None", "NONE", ""):
        said = base64url_encode(msgspec.json.encode({"alg": name, "typ": "JWT", **head})).decode()
        assert refused(f"{said}.{body}.", keys) == "auth.bad_token"
        assert refused(f"{said}.{body}.{seal}", keys) == "auth.bad_token"


def test_the_public_key_is_no_secret_to_sign_with() -> None:
    public = FIRST.public_key()
    raw = public.public_bytes_raw()
    texts = [public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), raw]
    for name in (PAIRED.signing(NOW).kid, SHARED.signing(NOW).kid):
        head = msgspec.json.encode({"alg": "HS256", "typ": "JWT", "kid": name})
        said = b".".join(map(base64url_encode, (head, msgspec.json.encode(CLAIMS))))
        for key in texts:
            seal = jwt.get_algorithm_by_name("HS256").sign(said, key)
            token = (said + b"." + base64url_encode(seal)).decode()
            assert refused(token, PAIRED) == "auth.bad_token"


def test_a_key_of_one_s_own_in_the_header_is_not_looked_at() -> None:
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64url_encode(SECOND.public_key().public_bytes_raw()).decode(),
    }
    more = {"kid": kid_of(FIRST), "jwk": jwk, "jku": "https://mallory.example/jwks.json"}
    token = jwt.encode(msgspec.to_builtins(CLAIMS), SECOND, "EdDSA", headers=more)
    assert refused(token, PAIRED) == "auth.bad_token"


@KEYS
@pytest.mark.parametrize(
    "name",
    ["", "unknown", "../../dev/null", "' OR '1'='1", "\x00", "é", "k" * 1_000, None, 7, ["a"], {}],
)
def test_only_keys_that_are_held_are_looked_for(keys: Keyring, name: object) -> None:
    head = {"alg": keys.signing(NOW).algorithm, "typ": "JWT", "kid": name}
    _, body, seal = tokens.sign(CLAIMS, keys).split(".")
    said = base64url_encode(msgspec.json.encode(head)).decode()
    assert refused(f"{said}.{body}.{seal}", keys) == "auth.bad_token"


@KEYS
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "something"},
        {"iss": None},
        {"aud": None},
        {"sub": "not a uuid"},
        {"role": "emperor"},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 10**30},
        {"exp": int(NOW.timestamp()) + LONGEST_S + 1},
        {"exp": int(NOW.timestamp())},
        {"iat": int(NOW.timestamp()) + SKEW_S + 1},
        {"iat": None},
        {"iat": -1},
        {"sid": None},
    ],
)
def test_a_token_with_other_claims_is_refused(keys: Keyring, changes: dict[str, object]) -> None:
    assert refused(forged(keys, changes), keys) == "auth.bad_token"


@KEYS
def test_a_clock_may_be_ahead_by_so_much(keys: Keyring) -> None:
    ahead = int(NOW.timestamp()) + SKEW_S
    assert tokens.read(forged(keys, {"iat": ahead}), keys, NOW).iat == ahead


@KEYS
def test_a_token_that_is_too_long_is_not_looked_at(keys: Keyring) -> None:
    assert tokens.read(forged(keys, {}, more="x" * 100), keys, NOW) == CLAIMS
    long = forged(keys, {}, more="x" * MAX_TOKEN)
    assert refused(long, keys) == "auth.bad_token"


@pytest.mark.parametrize("token", ["x", "a.b.c", "é.é.é", "..", "e30.e30.e30", "." * 2_000])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refused(token, PAIRED) == "auth.bad_token"


def test_a_new_key_signs_when_its_time_has_come_and_the_old_one_holds_until_its_tokens_end() -> (
    None
):
    keys = ring([pair(FIRST, NOW - MINUTE), pair(SECOND, NOW)])
    before = NOW - timedelta(seconds=1)
    old = tokens.sign(tokens.claims(ANN, Role.MEMBER, LOGIN, TOKEN, before, TTL_S), keys)
    new = tokens.sign(CLAIMS, keys)
    assert [kid(old), kid(new)] == [kid_of(FIRST), kid_of(SECOND)]
    assert tokens.read(old, keys, before + timedelta(seconds=TTL_S - 1))
    assert tokens.read(new, keys, before)  # by a node whose clock is behind
    over = NOW + timedelta(seconds=TTL_S + SKEW_S)
    assert keys.checking(kid_of(FIRST), over) is None
    assert [key.kid for key in keys.public(NOW)] == [kid_of(FIRST), kid_of(SECOND)]
    assert [key.kid for key in keys.public(over)] == [kid_of(SECOND)]


def test_the_secret_signs_until_there_is_a_key_and_holds_until_its_tokens_end() -> None:
    keys = ring([pair(FIRST, NOW + MINUTE)])
    token = tokens.sign(CLAIMS, keys)
    assert kid(token) == SHARED.signing(NOW).kid
    assert tokens.read(token, keys, NOW + MINUTE) == CLAIMS
    late = tokens.claims(ANN, Role.MEMBER, LOGIN, TOKEN, NOW + MINUTE, TTL_S)
    assert kid(tokens.sign(late, keys)) == kid_of(FIRST)
    over = NOW + MINUTE + timedelta(seconds=TTL_S + SKEW_S)
    assert keys.checking(kid(token), over) is None


def test_nothing_that_a_retired_key_signed_holds() -> None:
    token = tokens.sign(CLAIMS, PAIRED)
    keys = ring([pair(FIRST, NOW - MINUTE, retired_at=NOW), pair(SECOND, NOW)])
    assert refused(token, keys) == "auth.bad_token"
    assert kid(tokens.sign(CLAIMS, keys)) == kid_of(SECOND)


def test_with_all_keys_retired_nobody_signs_and_the_secret_least_of_all() -> None:
    keys = ring([pair(FIRST, NOW - timedelta(days=1), retired_at=NOW)])
    with pytest.raises(SettingsError, match="keys rotate"):
        tokens.sign(CLAIMS, keys)
    assert refused(tokens.sign(CLAIMS, SHARED), keys) == "auth.bad_token"


def test_a_key_that_was_retired_before_it_signed_leaves_the_secret_as_it_was() -> None:
    keys = ring([pair(FIRST, NOW + MINUTE, retired_at=NOW)])
    late = tokens.claims(ANN, Role.MEMBER, LOGIN, TOKEN, NOW + timedelta(days=1), TTL_S)
    assert kid(tokens.sign(late, keys)) == SHARED.signing(NOW).kid


@pytest.mark.parametrize(
    "planted",
    [
        pair(SECOND, NOW, secret=OTHER),  # by who does not know our secret
        pair(SECOND, NOW, kid=kid_of(FIRST)),  # another's under a known name
        msgspec.structs.replace(pair(SECOND, NOW), sealed=pair(FIRST, NOW).sealed),
        msgspec.structs.replace(pair(SECOND, NOW), sealed=b"x" * 60),
        msgspec.structs.replace(pair(SECOND, NOW), sealed=b""),
    ],
)
def test_a_key_that_somebody_put_into_the_table_is_not_held(planted: Pair) -> None:
    keys = ring([planted])
    assert keys.public(NOW) == []
    assert kid(tokens.sign(CLAIMS, keys)) == SHARED.signing(NOW).kid


def test_what_the_secret_before_signed_and_sealed_still_holds() -> None:
    shared, paired = ring(), ring([pair(FIRST, NOW - MINUTE)])
    old, older = tokens.sign(CLAIMS, shared), tokens.sign(CLAIMS, paired)
    assert tokens.read(old, ring(secret=OTHER, old=SECRET), NOW) == CLAIMS
    keys = ring([pair(FIRST, NOW - MINUTE)], secret=OTHER, old=SECRET)
    assert tokens.read(older, keys, NOW) == CLAIMS
    assert kid(tokens.sign(CLAIMS, ring(secret=OTHER, old=SECRET))) != kid(old)


def test_the_name_of_a_shared_key_does_not_tell_the_secret() -> None:
    name = SHARED.signing(NOW).kid
    assert sha256(SECRET.encode()).hexdigest()[:16] not in name
