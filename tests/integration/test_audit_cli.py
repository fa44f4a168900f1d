"""formula audit filters, formula audit holds: as over REST, for who is at the machine."""

import json
from pathlib import Path

from tests.integration.command import formula
from tests.integration.conftest import Api


async def test_a_saved_filter_is_searched_and_exported_by(api: Api, tmp_path: Path) -> None:
    eve, runtime = await api.as_("auditor"), api.runtime
    as_eve = ("--as", eve.email)
    saving = ("audit", "filters", "save", "people", '{"aggregate":"user"}', *as_eve)
    code, out, err = await formula(runtime, *saving)
    assert (code, out) == (0, 'people  {"aggregate":"user"}\n'), err
    eve.position = await runtime.store.head()
    kept = await eve.get("/audit/filters")
    assert kept == [{"name": "people", "filter": {"aggregate": "user"}}]
    code, out, _ = await formula(runtime, "audit", "filters", "--json", *as_eve)
    assert (code, [json.loads(line) for line in out.splitlines()]) == (0, kept)

    searching = ("audit", "--filter", "people", "--json", *as_eve)
    _, out, _ = await formula(runtime, *searching)
    found = [json.loads(line) for line in out.splitlines()]
    assert found
    assert {row["aggregate"] for row in found} == {"user"}
    _, out, _ = await formula(runtime, *searching, "--type", "user.never.v1")
    assert out == "", "what is given beside a filter counts as well"
    file = tmp_path / "people.zip"
    exporting = ("audit", "export", str(file), "--filter", "people", "--json", *as_eve)
    _, out, _ = await formula(runtime, *exporting)
    assert json.loads(out)["filter"] == {"aggregate": "user"}


async def test_filters_are_ones_own_and_can_be_removed(api: Api) -> None:
    runtime = api.runtime
    await formula(runtime, "audit", "filters", "save", "locks", '{"aggregate":"lock"}')
    eve = await api.as_("auditor")
    removing = ("audit", "filters", "remove", "locks")
    code, _, err = await formula(runtime, *removing, "--as", eve.email)
    assert (code, "audit.filter_not_found" in err) == (1, True)
    assert (await formula(runtime, *removing))[0] == 0
    assert (await formula(runtime, "audit", "filters"))[1] == ""
    code, _, err = await formula(runtime, "audit", "--filter", "locks")
    assert (code, "audit.filter_not_found" in err) == (1, True)


async def test_holds_are_placed_listed_and_released(api: Api) -> None:
    runtime, eve = api.runtime, await api.as_("auditor")
    held = (await (await api.as_("manager")).do("POST", "/projects", {"name": "P"}))["id"]
    placing = ("audit", "holds", "place", held, "--kind", "project", "--reason", "case")
    code, out, err = await formula(runtime, *placing, "--as", eve.email, "--json")
    assert (code, json.loads(out)["project"]) == (0, held), err
    [hold] = (await eve.get("/holds"))["items"]
    code, out, _ = await formula(runtime, "audit", "holds", "--json")
    assert (code, json.loads(out)) == (0, hold)
    releasing = ("audit", "holds", "release", held, "--reason", "closed")
    member = await api.as_("member")
    code, _, err = await formula(runtime, *releasing, "--as", member.email)
    assert (code, "access.denied" in err) == (1, True)
    assert (await formula(runtime, *releasing))[0] == 0
    assert (await formula(runtime, "audit", "holds"))[1] == ""
    code, _, err = await formula(runtime, *releasing)
    assert (code, "hold.not_found" in err) == (1, True)
