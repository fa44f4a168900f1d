"""Into which stores the demo workspace comes, unasked and asked."""

import msgspec
import pytest

from api.seed import keep_strangers_out, person_id, reached_by, wanted
from api.seed_data import PEOPLE
from domain.job_args import Ping
from domain.jobs import JOB, RequestJob, Wanted
from domain.registry import tag_of
from domain.user import UserRegistered
from infra.accounts import set_hash
from infra.runtime import SYSTEM, Runtime
from infra.settings import Settings, SettingsError
from tests.integration.command import formula
from tests.workers.office import Office


async def test_it_is_wanted_until_somebody_is_there(runtime: Runtime) -> None:
    assert await wanted(runtime)
    asked = RequestJob(wanted=Wanted(args=Ping()))
    await runtime.execute(SYSTEM, JOB, runtime.new_id(), asked)  # as a schedule does
    assert await wanted(runtime)
    await Office(runtime).person("Ann")
    assert not await wanted(runtime)


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        (Settings(), ""),
        (Settings(public_url="http://[::1]:80", host="::1"), ""),
        (Settings(public_url="https://localhost"), "PUBLIC_URL=https://localhost"),
        (Settings(public_url="http://formula.example"), "PUBLIC_URL=http://formula.example"),
        (Settings(public_url=""), "PUBLIC_URL="),
        (Settings(host="0.0.0.0"), "HOST=0.0.0.0"),  # noqa: S104, looked at
        (Settings(host=""), "HOST="),
    ],
)
def test_others_reach_it_by_a_setting(settings: Settings, setting: str) -> None:
    assert reached_by(settings) == setting


class TestReached:
    """Where others reach it."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, public_url="https://formula.example")

    async def test_where_others_reach_it_a_flag_alone_makes_a_demo(self, runtime: Runtime) -> None:
        code, out, err = await formula(runtime, "seed")
        assert (code, out) == (1, "")
        assert len(err.splitlines()) == 1
        assert err.startswith("formula: PUBLIC_URL=https://formula.example lets others in")
        assert await _people(runtime) == 0
        code, out, _ = await formula(runtime, "seed", "--force")
        assert (code, out.split(",")[0]) == (0, "There are now 18 people")
        assert await _people(runtime) == 18

    async def test_a_demo_that_others_reach_later_is_not_started(self, runtime: Runtime) -> None:
        await keep_strangers_out(runtime)
        await formula(runtime, "seed", "--force")
        first, *others = [person_id(person.name) for person in PEOPLE]
        for user in others:
            await set_hash(runtime.db, user, "another")
        with pytest.raises(SettingsError) as caught:
            await keep_strangers_out(runtime)
        told = "PUBLIC_URL=https://formula.example lets others in, and all know the password of"
        assert str(caught.value).startswith(f"{told} {PEOPLE[0].email}: ")
        await set_hash(runtime.db, first, "another")
        await keep_strangers_out(runtime)


async def _people(runtime: Runtime) -> int:
    return len(await runtime.store.read(0, 100, motion=False, types=[tag_of(UserRegistered)]))
