"""chaos: whoever is killed, how long people wait, and that nothing acknowledged is missing."""

from bench.api import MINE
from bench.contestant import contestant
from bench.harness import Stage, compete
from bench.load.chaos import VICTIMS, Chaos
from bench.report import Row, Target

LIMIT_S = 900.0
SERVERS = ("Valkey", "Postgres")
UNNOTICED_S, BACK_S, SERVER_BACK_S = 1.0, 5.0, 10.0
TITLES = {
    "acked": "an action is acknowledged",
    "heard": "another one has it",
    "read": "REST answers who reads",
}
FAULTS = {
    "lost": "acknowledged, and nobody heard it",
    "twice": "heard more than once",
    "disordered": "heard before what came first",
}


def run(stage: Stage) -> list[Row]:
    load = Chaos(str(stage.folder), 1 if stage.quick else 3, 1.0 if stage.quick else 4.0)
    results = compete([contestant(MINE, load, limit_s=LIMIT_S)], rounds=1)
    rows = [
        results.row(
            f"{victim} killed: until {title}, at most",
            "s",
            MINE,
            f"{victim} {what}",
            target=Target(most=_most(victim)),
        )
        for victim in VICTIMS
        for what, title in TITLES.items()
    ]
    rows.append(results.row("actions in all", "actions", MINE, "said"))
    return rows + [
        results.row(title, "actions", MINE, what, target=Target(most=0))
        for what, title in FAULTS.items()
    ]


def _most(victim: str) -> float:
    if victim in {"worker", "scheduler"}:
        return UNNOTICED_S
    return SERVER_BACK_S if victim in SERVERS else BACK_S
