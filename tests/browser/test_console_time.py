"""The time machine: a project's past, who did what in it, and the proof that it is all there."""

import pytest

from domain.user import Role
from tests.api.served import PASSWORD
from tests.browser.conftest import Consoles
from tests.browser.console import Window
from tests.browser.test_console_room import made, sees_in
from tests.workers.office import at_work

pytestmark = [
    pytest.mark.services,
    pytest.mark.browser,
    pytest.mark.timeout(400),  # the first may have to install a browser
    pytest.mark.xdist_group("browser"),
]

ALTER = """
const { checkExport } = await import(`${base}/client/audit.js`);
const { access_token } = await (await fetch(`${base}/api/v1/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email, password }),
})).json();
const headers = { authorization: `Bearer ${access_token}` };
const answer = await fetch(`${base}/api/v1/audit/export`, { headers });
const bytes = new Uint8Array(await answer.arrayBuffer());
const check = (file) => checkExport(new Blob([file])).then(
    ({ manifest, altered }) => altered ?? manifest.count, () => "none");
const whole = await check(bytes);
bytes[70] ^= 1; // of the rows
return [typeof whole, await check(bytes), await check(bytes.slice(9))];
"""


# What the button says, and the column that the task is in, as they change.
WATCH = """
globalThis.seen = new Set();
new MutationObserver(() => seen.add([
    document.querySelector(".player .primary")?.ariaLabel,
    document.querySelector("[data-task]")?.closest("section").ariaLabel.split(",")[0],
].join(" "))).observe(document.body, { subtree: true, childList: true, attributes: true });
"""


# Between the project's beginning and what was done in it nothing happened for an hour.
AN_HOUR_BEFORE = """
UPDATE formula_events SET recorded_at = recorded_at - interval '1 hour' WHERE notification_id <=
    (SELECT max(notification_id) FROM formula_events WHERE topic LIKE 'project.%')
"""


class Life:
    """A project in which Ann has drawn a page, and Audrey, an auditor, who looks back."""

    def __init__(self, audrey: Window, project: str, task: str, position: int) -> None:
        self.audrey, self.project, self.task = audrey, project, task
        self.position = position  # of what Ann did last


async def lived(consoles: Consoles) -> Life:
    ann = await consoles.server.person("Ann")
    audrey = await consoles.server.person("Audrey", Role.AUDITOR)
    project = (await consoles.server.room(ann)).partition(":")[2]
    task = await made(ann, f"/projects/{project}/tasks", {"title": "Draw the page"})
    await ann.rest.put(f"/tasks/{task}/status", {"status": "in_progress"})
    done = await ann.rest.put(f"/tasks/{task}/status", {"status": "done"})
    position = int(done.body["position"])
    async with consoles.server.runtime.db.connection() as db:
        await db.execute(AN_HOUR_BEFORE)
    await audrey.rest.get("/audit", min_position=position)
    return Life(await consoles.window(audrey), project, task, position)


async def test_the_past_is_gone_through_played_and_compared_by_keys(consoles: Consoles) -> None:
    life = await lived(consoles)
    window = life.audrey
    await window.reach("Time machine")
    await window.press("Enter")
    await window.sees("find('P ', 'a.card')")
    await window.reach("P ")
    await window.press("Enter")
    await sees_in(window, "Done", "Draw the page")
    await window.reads("moved “Draw the page” to Done", ".feed")
    await window.reach("Moment")
    await window.press(",")
    await sees_in(window, "In progress", "Draw the page")
    await window.press("ArrowLeft")
    await sees_in(window, "To do", "Draw the page")
    await window.sees("find('Moment').getAttribute('aria-valuetext').endsWith('task created, Ann')")
    await window.press("a")
    await window.sees("/[?&]a=\\d+/.test(location.hash)")
    await window.press(".")
    await sees_in(window, "In progress", "Draw the page")
    await window.press(".")
    await sees_in(window, "Done", "Draw the page")
    await window.press("b")
    await window.sees("/[?&]b=\\d+/.test(location.hash)")
    await window.run(WATCH)
    await window.press("Space")  # from the beginning on
    await window.sees("seen.has('Pause To do') && seen.has('Pause In progress')")
    await window.sees("find('Play')")
    await sees_in(window, "Done", "Draw the page")
    await window.click("What changed")
    await window.reads("changed Draw the page", ".diff")
    rows = "[...document.querySelectorAll('.diff tr')].map((row) => row.innerText.split('\\t'))"
    assert ["status", "todo", "done"] in await window.run(f"return {rows}")
    again = await window.run("return location.hash")
    await window.click("By the clock")
    await window.sees("find('Moment').max - find('Moment').min > 3_600_000")
    await window.go(f"time/{life.project}?at=0")
    await window.reads("The project was not there yet.", ".toasts")
    await sees_in(window, "Done", "Draw the page")
    await window.run("location.hash = hash", hash=again)
    await window.reads("changed Draw the page", ".diff")


async def test_an_auditor_finds_who_did_what_and_has_it_proved(consoles: Consoles) -> None:
    life = await lived(consoles)
    window = life.audrey
    await window.go(f"time/audit?project={life.project}")
    await window.sees("text('.found').includes('task status changed')")
    await window.click("task status changed")
    for told in ("Task status changed", "Ann", "127.0.0.1", "in_progress", "done"):
        await window.reads(told, ".panel")
    await window.click("The project at this moment")
    await sees_in(window, "Done", "Draw the page")
    await window.sees("find('Close the event')")
    await window.press("Escape")
    await window.sees("find('Moment') && !find('Close the event')")
    await window.go("time/audit?limit=5")
    await window.sees("find('Older')")
    newest = await window.run("return text('.found tbody tr')")
    await window.click("Older")
    await window.sees("find('Newest') && text('.found tbody tr') !== newest", newest=newest)
    await window.go("time/audit")
    await window.focus("Type")
    await window.write("task.created.v1")
    await window.press("Enter")
    await window.sees("location.hash.includes('type=task.created.v1')")
    await window.sees("document.querySelectorAll('.found tbody tr').length === 1")
    await window.click("Export what is found")
    await window.sees("/As it was signed by [0-9a-f]{64}: 1 events/.test(text('.time'))")
    who = {"email": window.person.me.email, "password": PASSWORD}
    checked = await window.run(ALTER, base=window.base, **who)
    assert checked == ["number", "audit.ndjson", "none"]
    await window.go("time/proof")
    async with at_work(consoles.server.runtime):
        await window.click("Verify the log")
        await window.sees("/: whole\\. \\d+ events/.test(text('.time'))")


async def test_nobody_is_kept_out_but_who_has_not_the_right(consoles: Consoles) -> None:
    life = await lived(consoles)
    window, found = life.audrey, list[str]()
    there = f"time/{life.project}"
    views = {
        f"{there}": "text('.board').includes('Draw the page') && find('created', '.feed a')",
        f"{there}?view=diff": "text('.diff').includes('Draw the page')",
        f"{there}?event={life.position}": "text('.panel').includes('in_progress')",
        f"time/audit?event={life.position}": "text('.panel').includes('in_progress')",
        "time/proof": "find('Verify the log')",
    }
    for scheme, width in (("light", 1_280), ("dark", 360)):
        await window.scheme(scheme)
        await window.size(width)
        for path, seen in views.items():
            await window.go(path)
            await window.sees(seen)
            found += await window.audited(f"{path}, {scheme}")
            assert await window.wide() <= width, f"{path} at {width}"
    assert found == []
    bob = await consoles.window(await consoles.server.person("Bob"))
    await bob.go(there)
    await bob.reads("There is no such page, or it is not yours to see.")
    assert await bob.run("return find('Time machine') ?? null") is None
