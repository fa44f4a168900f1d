"""What a running Formula tells of itself: traces, log lines, and never a secret."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from psycopg.conninfo import conninfo_to_dict

from api.client.client import Client
from api.seed import PASSWORD, person_id, project_id
from bench.seaweed import KEY_ID, SECRET, seaweed
from infra.folder import free_port
from infra.instance import with_instance
from infra.nodes import ROLES
from infra.redaction import MASK
from infra.settings import Settings, load_settings, secrets
from tests.e2e.running import UP_S, Formula, formula
from tests.http import PLAIN
from tests.infra.receivers import Otlp, otlp
from tests.infra.until import until, wait_until

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("formula observed"),
]

SECRETS = {
    "JWT_SECRET": "jwt-secret-of-the-observed",
    "METRICS_TOKEN": "metrics-token-of-the-observed",
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "OTEL_EXPORTER_OTLP_HEADERS": "x-key=collector-key-of-the-observed",
}
WRONG = "a-wrong-password-of-the-observed"
NEW = "a-new-password-of-the-observed"


class Observed(msgspec.Struct, frozen=True):
    formula: Formula
    receiver: Otlp

    def settings(self) -> Settings:
        return with_instance(load_settings(self.formula.environment))

    def lines(self) -> dict[str, str]:
        """What was written, by process, and what was shipped."""
        files = [*(self.formula.folder / "logs").iterdir(), self.formula.folder.with_suffix(".out")]
        written = {one.stem: one.read_text() for one in files}
        return written | {"shipped": msgspec.json.encode(self.receiver.logs).decode()}


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """Everything at the level of debug, asked for while it runs; no trace unless a caller says."""
    mail = f"smtp://formula:smtp-password-of-the-observed@127.0.0.1:{free_port()}"
    with otlp() as receiver, seaweed(tmp_path_factory.mktemp("s3")) as s3:
        s3.bucket("files").close()
        variables = {
            "AWS_S3_BUCKET": "files",
            "AWS_ENDPOINT_URL": s3.url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_TRACES_SAMPLER_ARG": "0",
            "SMTP_URL": mail,
        }
        with formula(**variables, **SECRETS) as one:
            one.up()
            watched = Observed(one, receiver)
            asked = one.call("log-level", "debug", "--for", "1h", "--json")
            assert asked.returncode == 0, asked.stderr
            wait_until(lambda: following(watched) >= set(ROLES), UP_S)
            yield watched


def following(observed: Observed) -> set[str]:
    """The roles whose processes have taken over the level."""
    lines = [one for one in observed.receiver.logs if one.name == "log_levels_changed"]
    return {line.service.removeprefix("formula-") for line in lines}


async def test_a_request_s_trace_goes_from_the_api_to_a_job(observed: Observed) -> None:
    trace, parent = uuid4(), "b7ad6b7169203331"
    async with Client(observed.formula.url) as client:
        await client.login("ada@demo.formula", PASSWORD)
        async with client.connect() as live:
            await anext(await live.join(f"project:{project_id('website')}"))
            with rest(observed, token(observed, "ada", PASSWORD)) as ada:
                task = ada.get(f"/tasks?project={project_id('website')}").json()["items"][0]["id"]
                said = ada.post(
                    f"/tasks/{task}/comments",
                    json={"body": "Look, Alan", "mentions": [str(person_id("alan"))]},
                    headers={"traceparent": f"00-{trace.hex}-{parent}-01"},
                )
                assert said.status_code == 201, said.text
            wanted = {
                ("formula-api", "POST /api/v1/tasks/{task}/comments"),
                ("formula-api", "add_comment"),
                ("formula-api", "commit"),
                ("formula-api", "push project"),
                ("formula-projector", "project live"),
                ("formula-projector", "project audit"),
                ("formula-worker", "job notify_mentioned"),
                ("formula-worker", "send_notification"),
            }
            spans = observed.receiver.spans
            await until(lambda: wanted <= {(one.service, one.name) for one in spans})
    assert {one.trace for one in spans} == {trace.hex}, "only the caller's was to be collected"
    assert {one.parent for one in spans} <= {one.span for one in spans} | {parent}
    [request] = [one for one in spans if one.name.startswith("POST")]
    assert (request.parent, request.attributes["http.response.status_code"]) == (parent, 201)
    await until(lambda: "formula-api" in logged(observed, trace))
    check_events(observed, trace, int(said.headers["X-Position"]))


def logged(observed: Observed, trace: UUID) -> set[str]:
    return {line.service for line in observed.receiver.logs if line.trace == trace.hex}


def check_events(observed: Observed, trace: UUID, position: int) -> None:
    """The log and the audit say which trace an event is of."""
    call = observed.formula.call
    tail = call("events", "tail", "--after", str(position - 1), "--limit", "1", "--json")
    assert msgspec.json.decode(tail.stdout)["trace"] == trace.hex
    audit = call("audit", "--limit", "1000", "--json")
    rows = [msgspec.json.decode(line) for line in audit.stdout.splitlines()]
    [row] = [row for row in rows if row["position"] == position]
    assert UUID(row["correlation_id"]) == trace


def rest(observed: Observed, bearer: str = "") -> httpx.Client:
    return httpx.Client(
        base_url=f"{observed.formula.url}/api/v1",
        headers={"Authorization": f"Bearer {bearer}"} if bearer else {},
        trust_env=False,
        verify=PLAIN,
    )


def token(observed: Observed, name: str, password: str) -> str:
    return log_in(observed, name, password).json().get("access_token", "")


def log_in(observed: Observed, name: str, password: str) -> httpx.Response:
    with rest(observed) as nobody:
        body = {"email": f"{name}@demo.formula", "password": password}
        return nobody.post("/auth/login", json=body)


async def test_nobody_logs_a_secret(observed: Observed) -> None:
    """Not even where it would be masked: no line has a mask."""
    used = await keep_busy(observed)
    known = {*secrets(observed.settings()), *SECRETS.values(), *used}
    passwords = {"smtp-password-of-the-observed", urlsplit(observed.settings().redis_url).password}
    known |= passwords | {conninfo_to_dict(observed.settings().database_url).get("password")}
    for where, text in observed.lines().items():
        found = [secret for secret in known if secret and str(secret) in text]
        assert found == [], where
        assert MASK not in text, where
    assert "request" in observed.lines()["api"], "the level was debug"


async def keep_busy(observed: Observed) -> set[str]:
    """Log in well and badly, renew, change a password, pass files and links on; what was secret."""
    session = log_in(observed, "susan", PASSWORD).json()
    # not PASSWORD: whoever starts the demo is told
    used = {WRONG, NEW, session["access_token"], session["refresh_token"]}
    assert log_in(observed, "susan", WRONG).status_code == 401
    with rest(observed) as nobody:
        for body in (f'{{"email":"x","password":"{WRONG}', f'{{"passwort":"{WRONG}"}}'):
            nobody.post("/auth/login", content=body, headers={"Content-Type": "application/json"})
        for _ in range(2):  # the second time it is stolen
            old = {"refresh_token": session["refresh_token"]}
            used.add(nobody.post("/auth/refresh", json=old).json().get("refresh_token", NEW))
        nobody.get("/users", headers={"Authorization": f"Bearer {session['access_token']}x"})
        bearer = {"Authorization": f"Bearer {SECRETS['METRICS_TOKEN']}"}
        metrics = f"{observed.formula.url}/metrics"
        assert nobody.get(metrics, headers=bearer).is_success
    async with Client(observed.formula.url) as client:
        await client.login("alan@demo.formula", PASSWORD)
        async with client.connect() as live:
            await anext(await live.join(f"project:{project_id('website')}"))
    with rest(observed, token(observed, "susan", PASSWORD)) as susan:
        me = susan.get("/auth/me").json()["id"]
        change = {"current": PASSWORD, "password": NEW}
        assert susan.put(f"/users/{me}/password", json=change).is_success
    with rest(observed, token(observed, "susan", NEW)) as susan:
        link = linked(susan)
        used |= set(parse_qs(urlsplit(link).query)["X-Amz-Signature"])
        susan.post("/auth/logout")
    return used


def linked(person: httpx.Client) -> str:
    """To a file of theirs."""
    where = {"project": str(project_id("website")), "name": "a.txt"}
    made = person.post("/realtime/files/upload", params=where, content=b"a text")
    assert made.status_code == 201, made.text
    url = f"/realtime/files/{made.json()['id']}/url"
    wait_until(lambda: person.get(url).is_success)  # it was looked through
    return person.get(url).json()["url"]
