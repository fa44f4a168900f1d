"""schemathesis, set against a server: what it finds that is at odds with the API's description."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeArgument=false
# schemathesis says the parameters of its generic classes nowhere.

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import schemathesis
from schemathesis.auths import AuthContext, AuthProvider
from schemathesis.core.result import Ok
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.generation.case import Case
from schemathesis.openapi import from_url
from schemathesis.schemas import BaseSchema

GENERATED: Mapping[str, Any] = {"deterministic": True, "database": "none", "no-shrink": True}
PHASES = ("examples", "coverage", "fuzzing", "stateful")

# How what is not as described may be refused; 5xx, of schemathesis's own list, is no refusal.
REJECTED = ["400", "401", "403", "404", "405", "409", "412", "413", "414", "415", "422", "429"]
BELOW = 431  # of what reads the head, before there is a request to route: it has no body

# What a check is not asked of requests whose address has this in it, and why.
EXCEPT: Mapping[tuple[str, str], str] = {
    ("not_a_server_error", "/readyz"): "503 tells that a role is away",
    ("positive_data_acceptance", "/files/tus"): "its headers are tus's, which say what is there",
    ("negative_data_rejection", "=null"): "null is as good as nothing",
}
# Codes of a 503 that a request alone can lead to.
MEANT = {"position.not_reached"}
# Codes that say a request is not as described. All others say that a rule is against it: an 422
# of the domain, a version that is not there. (If-Match is quoted; the quotes are not sent.)
UNDESCRIBED = {"request.invalid", "request.malformed", None}


class Finding(msgspec.Struct, frozen=True):
    """A check that failed, and the request to see it again."""

    operation: str
    check: str
    told: str
    again: str = ""
    answer: str = ""

    @property
    def text(self) -> str:
        return f"{self.operation}: {self.check}: {self.told}\n{self.again}\n{self.answer}"


def signed(token: Callable[[], str]) -> type[AuthProvider]:
    """Gives each request a token of its own."""

    class Signed:
        def get(self, _case: Case, _ctx: AuthContext) -> str:
            return token()

        def set(self, case: Case, data: str, _ctx: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {data}"

    return Signed


def configured(examples: int, *phases: str, learns: bool = True) -> schemathesis.Config:
    """`learns`: what was answered is asked with again, so no two runs are the same."""
    generation = {**GENERATED, "max-examples": examples}
    enabled: dict[str, Any] = {phase: {"enabled": phase in phases} for phase in PHASES}
    if not learns:
        same = {"extra-data-sources": {"responses": False}, "error-feedback": {"enabled": False}}
        enabled["fuzzing"] |= {**same, "operation-ordering": "none"}
    return schemathesis.Config.from_dict(
        {
            "seed": 1,
            "generation": generation,
            "phases": enabled,
            "auth": {"auto-signup": False},
            "checks": {"negative_data_rejection": {"expected-statuses": REJECTED}},
            "request-timeout": 20,
            "continue-on-failure": True,
            "parameters": {"query.min_position": 0},  # any other waits for what never comes
        }
    )


def described(url: str, config: schemathesis.Config, token: Callable[[], str] | None) -> BaseSchema:
    """What the server says of itself."""
    schema = from_url(f"{url}/schema/openapi.json", config=config)
    if token:
        schema.auth(refresh_interval=None)(signed(token))
    return schema


class Answers(msgspec.Struct, frozen=True):
    """How many there were: of each status, and to each operation."""

    statuses: Counter[int] = msgspec.field(default_factory=Counter[int])
    operations: Counter[str] = msgspec.field(default_factory=Counter[str])


def found(schema: BaseSchema, answers: Answers) -> list[Finding]:
    """What is at odds; the answers are counted in there."""
    findings = list[Finding]()
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished(recorder=recorder):
                findings += failed(recorder)
                answers.operations[recorder.label] += len(recorder.interactions)
                for one in recorder.interactions.values():
                    answers.statuses[one.response.status_code if one.response else 0] += 1
            case events.NonFatalError(label=label, value=error):
                findings.append(Finding(label, "error", repr(error)))
            case events.FatalError(exception=error):
                raise error
            case _:
                pass
    return findings


def operations(schema: BaseSchema) -> set[str]:
    """All that are described, as the answers call them."""
    return {one.ok().label for one in schema.get_all_operations() if isinstance(one, Ok)}


def failed(recorder: ScenarioRecorder) -> Iterator[Finding]:
    for case, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            seen, sample = recorder.interactions[case], check.failure_info.code_sample
            status = seen.response.status_code if seen.response else 0
            body = seen.response.content if seen.response else b""
            if status == BELOW or is_meant(check.name, seen.request.uri, body):
                continue
            told = str(check.failure_info.failure)
            yield Finding(recorder.label, check.name, told, sample, f"{status} {body[:500]!r}")


def is_meant(check: str, uri: str, body: bytes) -> bool:
    """Whether what a check finds is by design: see EXCEPT, MEANT and UNDESCRIBED."""
    code = code_of(body)
    match check:
        case "not_a_server_error" if code in MEANT:
            return True
        case "positive_data_acceptance" if code not in UNDESCRIBED:
            return True
        case _:
            return any(check == of and part in uri for of, part in EXCEPT)


def code_of(body: bytes) -> str | None:
    try:
        return json.loads(body)["code"]
    except (ValueError, LookupError, TypeError):
        return None
