"""Operations in the console: what is wrong is seen and seen to."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from api.client.client import Client
from domain.file import FILE, UploadFile
from domain.user import Role
from infra.monitoring.partitions import make
from infra.monitoring.rolling import LEVELS, roll
from infra.monitoring.samples import Batch, write
from infra.runtime import SYSTEM, Runtime
from projections.read import wait_for
from tests.browser.conftest import Consoles
from tests.browser.console import Window
from tests.integration.monitoring.given import seconds
from tests.integration.monitoring.test_rest_alerts import CPU, MEMORY, seen
from tests.integration.test_job_rows import insert, new_job
from tests.workers.benchmarked import RESULT, instead, says
from tests.workers.office import QUICK, at_work, working

pytestmark = [
    pytest.mark.services,
    pytest.mark.browser,
    pytest.mark.timeout(400),  # the first may have to install a browser
    pytest.mark.xdist_group("browser"),
]

# By name: what is seen in a tab once it is there.
TABS: Mapping[str, str] = {
    "health": "text('main').includes('postgres')",
    "alerts": "find('cpu', 'a')",
    "metrics": "document.querySelector('.chart canvas') && text('main table').includes('p95')",
    "read_models": "find('Rebuild tasks')",
    "jobs": "find('mail_notice', 'a') && text('main').includes('snapshot_day')",
    "presence": "text('main').includes('online')",
    "users": "find('Change role of Otto')",
    "keys": "text('main').includes('There is no key')",
    "benchmarks": "text('main').includes('Nothing was measured yet')",
    "store": "text('main').includes('user.registered.v1')",
    "files": "find('Delete plan.txt')",
}
DARK = ("metrics", "alerts")  # the others are made of the same
DEAD_LETTER = """
INSERT INTO formula_dead_letters (projection, generation, position, stream, error)
SELECT 'tasks', schema, 1, %s, 'Traceback …\nValueError: boom' FROM formula_generations
WHERE projection = 'tasks' AND state = 'serving'
"""


async def answers(window: Window, action: str, **fields: str) -> None:
    """What the dialog asks for, and then the button of that name in it."""
    for name, value in fields.items():
        await window.sees("find(name, 'dialog label')", name=name.title())
        script = "document.querySelector(`dialog [name=${name}]`).value = value"
        await window.run(script, name=name, value=value)
    await window.click(action, "dialog button")


async def test_an_operator_sees_what_is_wrong_and_sees_to_it(consoles: Consoles) -> None:
    runtime = consoles.server.runtime
    await seen(runtime, CPU, 0.9)
    async with runtime.db.connection() as db:
        await db.execute(DEAD_LETTER, (uuid4(),))
    window = await consoles.window(await consoles.server.person("Otto", Role.OPERATOR))
    await by_keys(window)
    await seen(runtime, MEMORY, 0.9)
    await window.reads("memory", "main table")
    await window.click("Silence all alerts")
    await answers(window, "Silence", reason="a load test")
    await window.click("End the silence of all alerts")
    await window.reads("Everybody is told of everything", "main")
    await window.go("operations/read_models?name=tasks")
    await window.reads("ValueError: boom", "main")
    await window.click("Skip event 1")
    await answers(window, "Skip", reason="written by a client of 2019")
    await window.sees("!find('Skip event 1')")
    await window.click("Rebuild tasks")
    await answers(window, "Rebuild")
    await window.reads("tasks_2", "main")
    await window.sees("find('Progress of tasks', 'progress')")
    async with at_work(runtime):
        await queues(window, runtime)
    async with (await consoles.server.person("Bob")).connect():
        await window.go("operations/presence")
        await window.reads("Bob", "main table")
    assert await window.run("return find('Users', 'nav a') ?? find('Files', 'nav a')") is None


async def by_keys(window: Window) -> None:
    """From the first page to an alert that is looked after."""
    await window.reads("degraded", "main")
    await window.reach("Alerts")
    await window.press("Enter")
    await window.reads("of cores", "main")
    await window.reach("Acknowledge cpu")
    await window.press("Enter")
    await window.sees("named(document.activeElement) === 'Note'")
    await window.press("Escape")
    await window.sees("named(document.activeElement) === 'Acknowledge cpu'")
    await window.press("Enter")
    await window.sees("named(document.activeElement) === 'Note'")
    await window.write("more cores")
    await window.press("Enter")
    await window.reads("more cores", "main table")
    await window.reads("Otto", "main table")


async def queues(window: Window, runtime: Runtime) -> None:
    """A dead job is looked into and called off; a queue is paused for a while."""
    await insert(runtime, new_job("a", error="broken"))
    await window.go("operations/jobs?state=dead")
    await window.click("mail_notice", "a")
    await window.reads("broken", "section.card")
    await window.click("Cancel mail_notice")
    await answers(window, "Cancel", reason="no longer wanted")
    await window.reads("cancelled", "section.card")
    await window.click("Pause email")
    await answers(window, "Pause", reason="its server is away")
    await window.reads("its server is away", "main table")
    await window.click("Resume email")
    await window.sees("find('Pause email')")
    await window.go("operations/read_models?name=users")
    await window.click("Verify users")
    await window.sees("/done\\t\\d+\\t0\\t/.test(find('Checks of users', '.scroll')?.innerText)")


async def test_an_admin_lets_people_in_and_frees_what_they_hold(consoles: Consoles) -> None:
    ada, bob = await consoles.server.person("Ada", Role.ADMIN), await consoles.server.person("Bob")
    room = await consoles.server.room(bob)
    window = await consoles.window(ada)
    await window.go("operations/users")
    await window.click("Bob", "a")
    await window.click("New key")
    await answers(window, "New", name="nightly export")
    await window.sees("find('Key', 'dialog input')?.value.startsWith('fk_')")
    await window.click("I have it")
    await window.click("Revoke nightly export")
    await window.reads("There is no key", "main")
    await window.click("Change role of Bob")
    await answers(window, "Change role", role="manager")
    await window.sees("find('Bob', 'tr').innerText.includes('manager')")
    async with bob.connect() as his:
        await his.join(room)
        await his.lock(room, "desk")
        await window.go("operations/presence")
        await window.click("Release desk")
        await answers(window, "Release", reason="Bob is ill")
        await window.reads("Nothing is locked", "main")
    await window.go("operations/users")
    await window.click("Deactivate Bob")
    await answers(window, "Deactivate", reason="left")
    await window.sees("find('Bob', 'tr').innerText.includes('deactivated')")
    await window.go(f"operations/read_models?name=users&key={bob.me.id}")
    await window.reads("user.deactivated.v1", "main")
    await stored(consoles.server.runtime, UUID(room.partition(":")[2]))
    await window.go("operations/files")
    await window.click("Delete plan.txt")
    await answers(window, "Delete")
    await window.reads("No file is like that", "main")
    await window.go("operations/files?deleted=true")
    await window.click("Restore plan.txt")
    await window.reads("No file is like that", "main")
    await closer(window, consoles.server.runtime)
    await quick(window, consoles.server.runtime)


async def quick(window: Window, runtime: Runtime) -> None:
    """How fast the machine is, measured anew."""
    async with working(runtime.settings, QUICK, [instead(*says("round 1/1", RESULT))]):
        await window.go("operations/benchmarks")
        await window.click("Run a benchmark")
        await answers(window, "Run", suite="append")
        await window.click("append", "a")
        await window.reads("1,500", "main table")


async def closer(window: Window, runtime: Runtime) -> None:
    """What is drawn over is shown closer."""
    await measured(runtime)
    await window.go("operations/metrics")
    await window.sees(TABS["metrics"])
    over = "document.querySelector('.u-over').getBoundingClientRect()"
    box = await window.run(f"const {{ x, y, width }} = {over}; return [x, y, width]")
    for kind, share in (("mousePressed", 0.4), ("mouseMoved", 0.6), ("mouseReleased", 0.6)):
        at = {"x": box[0] + box[2] * share, "y": box[1] + 20}
        await window.page.call(
            "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at
        )
    await window.sees("location.hash.includes('from=')")
    near = await window.run("return location.hash")
    await window.click("Wider")
    await window.sees("location.hash !== near", near=near)


async def measured(runtime: Runtime) -> None:
    now = runtime.now()
    async with runtime.db.connection() as db:
        await make(db, now)
        for ago in range(0, 1_800, 60):
            batch = Batch(now - timedelta(seconds=ago), "api", [seconds("", 3, 2, 1)])
            await write(db, runtime.node, batch)
        for level in LEVELS:
            await roll(db, level, now)


async def stored(runtime: Runtime, project: UUID) -> None:
    upload = UploadFile(
        project=project,
        name="plan.txt",
        key="f-1",
        content_type="text/plain",
        bytes=1,
        sha256="",
        at=runtime.now(),
    )
    outcome = await runtime.execute(SYSTEM, FILE, runtime.new_id(), upload, project=project)
    await wait_for(runtime, "queries", outcome.position or 0)


async def test_operations_keep_nobody_out_and_only_who_operates_has_them(
    consoles: Consoles,
) -> None:
    runtime = consoles.server.runtime
    await seen(runtime, msgspec.structs.replace(CPU, about="of the cores " * 20), 0.9)
    await insert(runtime, new_job("a", error="broken"))
    await measured(runtime)
    await stored(runtime, runtime.new_id())
    window = await consoles.window(await consoles.server.person("Otto", Role.ADMIN))
    found: list[str] = []
    for scheme, names in (("light", TABS), ("dark", DARK)):
        await window.scheme(scheme)
        for name in names:
            await window.go(f"operations/{name}")
            await window.sees(TABS[name])
            found += await window.audited(f"{name}, {scheme}")
            await window.size(360)
            assert await window.wide() <= 360, name
            await window.size(1280)
    await window.click("Silence all alerts")
    await window.sees("find('Not now', 'dialog button')")
    found += await window.audited("dialog")
    assert found == []
    await hidden(consoles, await consoles.server.person("Mia"))


async def hidden(consoles: Consoles, person: Client) -> None:
    window = await consoles.window(person)
    await window.go("operations/users")
    await window.reads("not yours to see", "main")
    assert await window.run("return find('Operations', 'nav a') ?? null") is None
