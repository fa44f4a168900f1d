"""Into which stores the demo workspace comes unasked."""

from api.seed import wanted
from domain.jobs import JOB, Ping, RequestJob, Wanted
from infra.runtime import SYSTEM, Runtime
from tests.workers.office import Office


async def test_it_is_wanted_until_somebody_is_there(runtime: Runtime) -> None:
    assert await wanted(runtime)
    asked = RequestJob(wanted=Wanted(args=Ping()))
    await runtime.execute(SYSTEM, JOB, runtime.new_id(), asked)  # as a schedule does
    assert await wanted(runtime)
    await Office(runtime).person("Ann")
    assert not await wanted(runtime)
