"""Keys made from JWT_SECRET, one for each purpose: what one signs is good for nothing else."""

from hashlib import sha256

from infra.settings import Settings, SettingsError


def key_for(purpose: str, secret: str) -> bytes:
    """32 bytes; another secret gives another key. Raises SettingsError where there is none."""
    if not secret:  # anybody could make that key
        raise SettingsError("JWT_SECRET: is not set, and links are signed with it")
    return sha256(f"formula {purpose}\x00{secret}".encode()).digest()


def keys_for(purpose: str, settings: Settings) -> list[bytes]:
    """The one that signs, then those whose signatures still hold."""
    old = [settings.jwt_secret_old] if settings.jwt_secret_old else []
    return [key_for(purpose, secret) for secret in [settings.jwt_secret, *old]]
