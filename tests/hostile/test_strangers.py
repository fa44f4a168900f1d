"""People who are not who they say, and members who reach for what is not theirs."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID, uuid4

import jwt
import msgspec
import pytest
from jwt.utils import base64url_encode

from api.realtime import protocol as p
from api.tokens import LONGEST_S, claims, sign
from domain.lock import MIN_TTL_MS
from domain.user import USER, DeactivateUser, Role
from infra.keyring import Key, Keyring
from infra.runtime import SYSTEM
from infra.settings import Settings
from tests.hostile.raw import upgraded
from tests.hostile.siege import Siege
from tests.integration.sockets import Json, Socket
from tests.integration.test_gateway import kind_of

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("hostile")]

HOUR = timedelta(hours=1)
AGAIN_S = 0.25  # before a lock that is held is asked for again
CLOSED = {"access.denied", "room.not_joined", "room.not_found", "project.not_found"}
OTHER = "another-secret-that-is-long-enough-as-well"


def forged(here: Siege) -> Mapping[str, str]:
    """Tokens in Ann's name, each wrong in one way."""
    runtime, ann = here.runtime, here.ann
    now, keys = runtime.now(), runtime.keys
    others = Keyring(Settings(jwt_secret=OTHER))
    key = keys.signing(now)
    good = claims(ann, Role.ADMIN, uuid4(), uuid4(), now, 900)
    content: Json = msgspec.to_builtins(good)
    head, body, seal = sign(good, keys).split(".")
    other_head = base64url_encode(b'{"alg":"HS512","typ":"JWT"}').decode()
    return {
        "none": jwt.encode(content, "", algorithm="none"),
        "no seal": f"{head}.{body}.",
        "another's seal": f"{head}.{body}.{sign(good, others).split('.')[2]}",
        "another key": sign(good, others),
        "another algorithm": f"{other_head}.{body}.{seal}",
        "expired": sign(claims(ann, Role.ADMIN, uuid4(), uuid4(), now - HOUR, 900), keys),
        "another issuer": wrong(key, {**content, "iss": "else"}),
        "another audience": wrong(key, {**content, "aud": "else"}),
        "no subject": wrong(key, {**content, "sub": ""}),
        "an end that is no number": wrong(key, {**content, "exp": "1"}),
        "an end beyond all time": wrong(key, {**content, "exp": 10**18}),
        "an end too far": wrong(key, {**content, "exp": good.exp + LONGEST_S}),
        "a begin to come": wrong(key, {**content, "iat": good.iat + 60}),
        "no key": jwt.encode(content, key.signs, key.algorithm),
        "no API key": f"fk_{uuid4().hex}_{'x' * 43}",
        "another's content": f"{head}.{body[:-4]}AAAA.{seal}",
        "nobody": here.token(uuid4()),
        "no token": "x" * 4_000,
        "points": "." * 4_000,
    }


def wrong(key: Key, content: Json) -> str:
    """Signed by the right key."""
    return jwt.encode(content, key.signs, key.algorithm, headers={"kid": key.kid})


async def test_no_forged_token_gets_in(here: Siege) -> None:
    for name, token in forged(here).items():
        async with upgraded(here.port, token) as mallory:
            assert await mallory.end() == p.CloseCode.NOT_AUTHENTICATED, name
            assert [said["op"] for said in mallory.told] == ["err"], name
        hello = msgspec.json.encode({"op": "hello", "token": token})
        async with upgraded(here.port) as mallory:
            await mallory.say(hello)
            await mallory.say(b'{"op":"join","room":"%s"}' % here.room.encode())
            assert await mallory.end() == p.CloseCode.NOT_AUTHENTICATED, name
            assert {said["op"] for said in mallory.told} == {"err"}, name


async def test_a_token_in_the_address_is_none(here: Siege) -> None:
    token = here.token(here.mallory)
    for words in ("token", "access_token", "authorization", "jwt"):
        async with upgraded(here.port, path=f"{p.PATH}?{words}={token}") as mallory:
            await mallory.say(b'{"op":"join","room":"%s"}' % here.room.encode())
            assert (await mallory.until("err"))["code"] == "auth.missing"


async def test_a_renewal_cannot_make_one_somebody_else(here: Siege) -> None:
    async with upgraded(here.port, here.token(here.mallory)) as mallory:
        await mallory.until("joined")
        await mallory.say(msgspec.json.encode({"op": "token", "token": here.token(here.ann)}))
        assert await mallory.end() == p.CloseCode.NOT_AUTHENTICATED


async def test_who_was_deactivated_does_not_come_back(here: Siege) -> None:
    token = here.token(here.mallory)
    await here.runtime.execute(SYSTEM, USER, here.mallory, DeactivateUser())
    async with upgraded(here.port, token) as mallory:
        assert await mallory.end() == p.CloseCode.NOT_AUTHENTICATED


async def test_rooms_of_others_stay_theirs(here: Siege) -> None:
    """Nothing of them is heard, nothing in them is changed, not even whether they exist is told."""
    eve = await here.open(await here.user("eve"))
    task = await here.task(here.in_project)
    rooms = [here.room, f"task:{task}", f"user:{here.ann}", "ops", f"document:{uuid4()}"]
    for room in rooms:
        for frame in intrusions(room, here.in_project):
            answer = await eve.ask(**frame)
            assert answer["op"] == "err", frame
            assert answer["code"] in CLOSED, answer
    hello = {
        "token": here.token(here.mallory),
        "resume": [{"room": room, "after": 0} for room in rooms],
    }
    await eve.say("hello", **hello)
    assert await eve.closed() == p.CloseCode.NOT_AUTHENTICATED
    assert not [one for one in eve.seen if one.get("room") in rooms]


def intrusions(room: str, project: UUID) -> list[Json]:
    return [
        {"op": "join", "room": room},
        {"op": "join", "room": room, "after": 0},
        {"op": "act", "room": room, "kind": "x"},
        {"op": "cursor", "room": room, "at": {}},
        {"op": "typing", "room": room, "where": "x", "on": True},
        {"op": "select", "room": room, "selection": {}},
        {"op": "lock", "room": room, "resource": "x"},
        {"op": "renew", "room": room, "resource": "x", "token": 1},
        {"op": "unlock", "room": room, "resource": "x", "token": 1},
        {"op": "steal", "room": room, "resource": "x", "reason": "mine"},
        {"op": "leave", "room": room},
        {"op": "replay", "project": project},
    ]


async def test_another_persons_ids_are_ones_own_in_ones_own_hands(here: Siege) -> None:
    """An id is of its actor: said by another it is another act, and the first stays as it is."""
    ann, mallory = await joined(here, here.ann), await joined(here, here.mallory)
    id_ = uuid4()

    async def act(socket: Socket, kind: str) -> Json:
        await socket.send({"op": "act", "id": id_, "room": here.room, "kind": kind})
        return await socket.answer(id_)

    hers, his, again = await act(ann, "hers"), await act(mallory, "his"), await act(ann, "hers")
    assert his["pos"] != hers["pos"]
    assert again["pos"] == hers["pos"]
    for kind, who in (("hers", here.ann), ("his", here.mallory)):
        event = await mallory.until(lambda frame, kind=kind: kind_of(frame) == kind)
        assert event["by"] == str(who)


async def test_ones_own_id_on_something_else_is_refused(here: Siege) -> None:
    mallory, id_ = await joined(here, here.mallory), uuid4()
    await mallory.send({"op": "act", "id": id_, "room": here.room, "kind": "x"})
    assert (await mallory.answer(id_))["op"] == "ack"
    await mallory.send({"op": "lock", "id": id_, "room": here.room, "resource": "x"})
    assert (await mallory.answer(id_))["op"] == "err"


async def test_a_lost_locks_token_is_good_for_nothing(here: Siege) -> None:
    """Stolen or run out: neither renewed nor given back, and what has another owner stays."""
    ann, mallory = await joined(here, here.ann), await joined(here, here.mallory)
    old = await held(mallory, here.room, "stolen")
    stolen = await ann.ask("steal", room=here.room, resource="stolen", reason="urgent")
    old_too = await held(mallory, here.room, "expired", ttl=MIN_TTL_MS, keep=True)
    mallory.connection.transport.abort()
    taken = await once_free(ann, here.room, "expired")
    assert min(stolen["lock"]["token"], taken) > 0
    back = await joined(here, here.mallory)
    for resource, token, theirs in (
        ("stolen", old, stolen["lock"]["token"]),
        ("expired", old_too, taken),
    ):
        assert theirs > token
        for guess in (token, theirs, theirs + 1, 0, -1, 2**63, 10**30):
            for op in ("renew", "unlock"):
                asked = await back.ask(op, room=here.room, resource=resource, token=guess)
                assert asked["code"] == "lock.lost", (op, guess, asked)
        denied = await back.ask("lock", room=here.room, resource=resource)
        assert (denied["code"], denied["detail"]["holder"]) == ("lock.held", str(here.ann))
        renewed = await ann.ask("renew", room=here.room, resource=resource, token=theirs)
        assert renewed["op"] == "ack"


async def joined(here: Siege, user: UUID) -> Socket:
    socket = await here.open(user)
    assert (await socket.ask("join", room=here.room))["op"] == "joined"
    return socket


async def held(socket: Socket, room: str, resource: str, **more: object) -> int:
    return (await socket.ask("lock", room=room, resource=resource, **more))["lock"]["token"]


async def once_free(socket: Socket, room: str, resource: str) -> int:
    """The token of the lock, granted when its lease has run out."""
    while True:
        answer = await socket.ask("lock", room=room, resource=resource)
        if answer["op"] == "ack":
            return answer["lock"]["token"]
        assert answer["code"] in {"lock.held", "rate.limited"}
        await asyncio.sleep(AGAIN_S)
