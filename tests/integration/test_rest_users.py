"""Users and clients: registered, found, changed, archived."""

import asyncio

from tests.integration.conftest import PASSWORD, Api, Json

BOB = {"email": "Bob@Example.com", "name": "Bob", "role": "member", "password": PASSWORD}


async def test_a_registered_user_is_found_and_can_log_in(api: Api) -> None:
    admin = await api.as_("admin")
    bob = await admin.do("POST", "/users", {**BOB, "department": "Research"})
    found = await admin.get(f"/users/{bob['id']}")
    assert (found["email"], found["department"]) == ("bob@example.com", "Research")
    assert (found["version"], found["status"]) == (bob["version"], "active")
    assert (await api.login("bob@example.com"))["user"]["id"] == bob["id"]


async def test_an_address_belongs_to_one_user(api: Api) -> None:
    admin = await api.as_("admin")
    answers = await asyncio.gather(*(admin("POST", "/users", BOB) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert await admin.refused("POST", "/users", BOB) == "409 email.taken"


async def test_a_changed_address_frees_the_old_one(api: Api) -> None:
    admin = await api.as_("admin")
    bob = await admin.do("POST", "/users", BOB)
    await admin.do("PATCH", f"/users/{bob['id']}", {"email": "robert@example.com"})
    assert (await api.login("robert@example.com"))["user"]["id"] == bob["id"]
    eve = await admin.do("POST", "/users", {**BOB, "name": "Eve"})
    assert eve["id"] != bob["id"]
    taken = await admin.refused("PATCH", f"/users/{eve['id']}", {"email": "robert@example.com"})
    assert taken == "409 email.taken"


async def test_an_address_changed_twice_at_once_leaves_no_address_reserved(api: Api) -> None:
    admin = await api.as_("admin")
    bob = await admin.do("POST", "/users", BOB)
    wanted = [f"bob{number}@example.com" for number in range(3)]
    answers = await asyncio.gather(
        *(admin("PATCH", f"/users/{bob['id']}", {"email": email}) for email in wanted)
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    admin.position = max(int(answer.headers.get("X-Position", 0)) for answer in answers)
    now = (await admin.get(f"/users/{bob['id']}"))["email"]
    free = {*wanted, "bob@example.com"} - {now}
    for email in free:
        await admin.do("POST", "/users", {**BOB, "email": email})


async def test_a_profile_is_changed_apart_from_the_address(api: Api) -> None:
    ann = await api.as_("member")
    await ann.do("PATCH", f"/users/{ann.id}", {"name": "Ann", "department": "Sales"})
    found = await ann.get(f"/users/{ann.id}")
    assert (found["name"], found["department"]) == ("Ann", "Sales")
    both = {"name": "Ann", "email": "ann@example.com"}
    assert await ann.refused("PATCH", f"/users/{ann.id}", both) == "422 user.email_alone"


async def test_users_are_found_by_what_is_asked_for(api: Api) -> None:
    admin, _, _ = await api.as_("admin"), await api.as_("guest"), await api.as_("member")
    bob = await admin.do("POST", "/users", BOB)
    assert [row["role"] for row in (await admin.get("/users", role="guest"))["items"]] == ["guest"]
    for asked in ({"search": "BOB@"}, {"search": "exa bob"}, {"email": "Bob@Example.com"}):
        assert [row["id"] for row in (await admin.get("/users", **asked))["items"]] == [bob["id"]]
    await admin.do("POST", f"/users/{bob['id']}/deactivate", {})
    gone = await admin.get("/users", status="deactivated")
    assert [row["id"] for row in gone["items"]] == [bob["id"]]


async def test_a_list_is_walked_page_by_page_without_a_gap(api: Api) -> None:
    admin = await api.as_("admin")
    for number in range(6):
        await admin.do("POST", "/clients", {"name": f"Client {number % 3}"})
    first = await admin.get("/clients", limit=4)
    rest = await admin.get("/clients", limit=4, cursor=first["next"])
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (4, 2, None)
    rows: list[Json] = first["items"] + rest["items"]
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    assert len({row["id"] for row in rows}) == 6


async def test_a_client_is_changed_archived_and_restored(api: Api) -> None:
    admin = await api.as_("manager")
    contacts = [{"name": "Grace", "email": "grace@example.com"}]
    client = await admin.do("POST", "/clients", {"name": "Northwind", "contacts": contacts})
    path = f"/clients/{client['id']}"
    await admin.do("PATCH", path, {"name": "Northwind Traders"})
    shown = await admin.get(path)
    assert shown["contacts"] == [{"name": "Grace", "email": "grace@example.com", "phone": ""}]
    await admin.do("POST", f"{path}/archive")
    assert await admin.refused("PATCH", path, {"name": "N"}) == "409 client.archived"
    assert (await admin.get("/clients", status="archived"))["items"][0]["id"] == client["id"]
    await admin.do("POST", f"{path}/restore")
    assert (await admin.get(path))["status"] == "active"
