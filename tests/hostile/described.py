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
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.generation.case import Case
from schemathesis.openapi import from_url
from schemathesis.schemas import BaseSchema

GENERATED: Mapping[str, Any] = {"deterministic": True, "database": "none", "no-shrink": True}
PHASES = ("examples", "coverage", "fuzzing", "stateful")

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


def configured(examples: int, *phases: str) -> schemathesis.Config:
    generation = {**GENERATED, "max-examples": examples}
    return schemathesis.Config.from_dict(
        {
            "seed": 1,
            "generation": generation,
            "phases": {phase: {"enabled": phase in phases} for phase in PHASES},
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


def found(schema: BaseSchema) -> tuple[list[Finding], Counter[int]]:
    """What is at odds, and how many answers of each status there were."""
    findings, answers = list[Finding](), Counter[int]()
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished(recorder=recorder):
                findings += failed(recorder)
                for one in recorder.interactions.values():
                    answers[one.response.status_code if one.response else 0] += 1
            case events.NonFatalError(label=label, value=error):
                findings.append(Finding(label, "error", repr(error)))
            case events.FatalError(exception=error):
                raise error
            case _:
                pass
    return findings, answers


def failed(recorder: ScenarioRecorder) -> Iterator[Finding]:
    for case, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            seen, sample = recorder.interactions[case], check.failure_info.code_sample
            status = seen.response.status_code if seen.response else 0
            body = seen.response.content if seen.response else b""
            if is_meant(check.name, seen.request.uri, body):
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
