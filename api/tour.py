"""The tour: what Formula does, told step by step through its public interfaces, and checked."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from api.client.errors import ClientError
from api.client.latency import Latency
from api.tour_stage import Failed, Stage

STEP_S = 45.0  # the longest a step may take


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """`facts` are what the step found, for programs."""

    name: str
    ok: bool
    ms: int
    error: str = ""
    facts: Mapping[str, Any] = {}


class Report(msgspec.Struct, frozen=True):
    ok: bool
    steps: list[Step]
    latency: Latency | None


Act = Callable[[Stage], Awaitable[Mapping[str, Any]]]


class Narrator:
    """Where the story goes; this one keeps it to itself."""

    def title(self, number: int, title: str) -> None:
        """A scene begins."""

    def line(self, text: str) -> None:
        """Something is told."""

    def done(self, step: Step) -> None:
        """The scene is over."""


async def run_tour(
    url: str, mailbox: Path | None, scenes: Sequence[tuple[str, str, Act]], say: Narrator
) -> Report:
    """Every scene in its order; the first that fails ends the tour."""
    steps: list[Step] = []
    async with AsyncExitStack() as stack:
        stage = Stage(url, mailbox, stack, say.line)
        for number, (name, title, act) in enumerate(scenes, start=1):
            say.title(number, title)
            step = await _play(stage, name, act)
            steps.append(step)
            say.done(step)
            if not step.ok:
                break
    ok = len(steps) == len(scenes) and all(step.ok for step in steps)
    return Report(ok, steps, stage.latency)


async def _play(stage: Stage, name: str, act: Act) -> Step:
    started, error, facts = monotonic(), "", dict[str, Any]()
    try:
        async with asyncio.timeout(STEP_S):
            facts = dict(await act(stage))
    except TimeoutError:
        error = f"nothing happened within {STEP_S:g} s"
    except (ClientError, Failed) as failed:
        error = str(failed)
    return Step(name, not error, round((monotonic() - started) * 1_000), error, facts)
