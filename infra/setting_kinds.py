"""What settings are made of: forms of addresses and keys, numbers with their bounds, secrets."""

from typing import Annotated

from msgspec import Meta

POSTGRES = r"^(postgres(ql)?://.*|.*=.*)?$"  # an address, or libpq's key=value pairs
REDIS = r"^((rediss?|unix)://.*)?$"
SMTP = r"^(smtps?://.*)?$"
HTTP = r"^(https?://.*)?$"
KEYS = r"^([A-Za-z0-9+/]{43}=(,[A-Za-z0-9+/]{43}=)*)?$"  # 32 bytes in base64, by commas
SYSLOG = r"^((udp|tcp)://[^/]+:\d+|unix:///.+)?$"
CLAMAV = r"^(tcp://[^/]+|unix:///.+)?$"


Workers = Annotated[int, Meta(ge=1, le=500, description="jobs at a time in a worker process")]
Retries = Annotated[int, Meta(ge=0, le=50, description="of a job that fails")]
PerMinute = Annotated[int, Meta(ge=0, description="jobs handed out, by all; 0: no limit")]
TimeoutS = Annotated[
    int, Meta(ge=0, le=86_400, description="that a job may take; 0: as long as its kind may")
]


def secret(text: str, pattern: str = ".*") -> Meta:
    return Meta(description=text, pattern=pattern, extra_json_schema={"secret": True})
