"""The supervisor, over small shell scripts."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from infra.processes import LOG_LIMIT, ProcessSpec
from infra.supervisor import ProcessState, StartFailed, State, Supervisor, next_delay_s
from tests.infra.until import until

SLEEP = "exec sleep 1000"


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., ProcessSpec]:
    """A spec that runs a line of shell in the test's folder."""

    def spec(name: str, line: str, **more: Any) -> ProcessSpec:
        environment = {"PATH": os.defpath}
        return ProcessSpec(
            name=name, argv=("/bin/sh", "-c", line), env=environment, cwd=tmp_path, **more
        )

    return spec


def there(path: Path) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return await asyncio.to_thread(path.exists)

    return ready


def of(supervisor: Supervisor, name: str) -> ProcessState:
    return next(state for state in supervisor.state() if state.name == name)


def pid_of(supervisor: Supervisor, name: str) -> int:
    pid = of(supervisor, name).pid
    assert pid is not None
    return pid


def test_restarts_come_later_and_later_up_to_a_limit() -> None:
    delays, delay = list[float](), 0.0
    for _ in range(8):
        delay = next_delay_s(delay, lived_s=0.1)
        delays.append(round(delay, 3))
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_process_that_lived_long_is_restarted_quickly_again() -> None:
    assert next_delay_s(10.0, lived_s=30.0) == 0.2


async def test_a_process_starts_only_when_what_it_needs_is_ready(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    base = script("base", f"sleep 0.2; touch up; {SLEEP}", ready=there(tmp_path / "up"))
    leaf = script("leaf", f"test -e up && touch seen; {SLEEP}", needs=("base",))
    async with Supervisor() as supervisor:
        await supervisor.start(leaf, base)
        await until((tmp_path / "seen").exists)
        states = [(child.name, child.state) for child in supervisor.state()]
        assert states == [("base", State.READY), ("leaf", State.READY)]


async def test_a_need_that_nobody_starts_is_refused(script: Callable[..., ProcessSpec]) -> None:
    async with Supervisor() as supervisor:
        with pytest.raises(ValueError, match="needs"):
            await supervisor.start(script("leaf", SLEEP, needs=("base",)))


async def test_a_failed_start_says_why_with_the_last_lines(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("of yesterday\n")
    line = "echo the disk is gone; exit 3"
    broken = script("db", line, ready=there(tmp_path / "never"), log_file=tmp_path / "log")
    async with Supervisor() as supervisor:
        with pytest.raises(StartFailed) as caught:
            await supervisor.start(broken, script("api", SLEEP, needs=("db",)))
    assert str(caught.value) == "db exited with 3 before it was ready\nthe disk is gone"


async def test_a_program_that_does_not_exist_is_a_failed_start(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    nothing = ProcessSpec(name="x", argv=(str(tmp_path / "x"),), env={}, cwd=tmp_path)
    async with Supervisor() as supervisor:
        with pytest.raises(StartFailed, match="No such file"):
            await supervisor.start(nothing)


async def test_a_process_that_is_not_ready_in_time_is_ended(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    line = f"echo $$ > pid; {SLEEP}"
    slow = script("slow", line, ready=there(tmp_path / "never"), start_timeout_s=0.5)
    async with Supervisor() as supervisor:
        with pytest.raises(StartFailed, match=r"slow was not ready within 0\.5 s"):
            await supervisor.start(slow)
        assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
        assert of(supervisor, "slow").state == State.STOPPED


@pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_a_killed_process_is_restarted_and_its_dependents_are_left_alone(
    script: Callable[..., ProcessSpec], loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def scenario() -> None:
        async with Supervisor() as supervisor:
            await supervisor.start(script("base", SLEEP), script("leaf", SLEEP, needs=("base",)))
            first, leaf = pid_of(supervisor, "base"), pid_of(supervisor, "leaf")
            os.kill(first, signal.SIGKILL)
            await until(lambda: of(supervisor, "base").restarts == 1)
            await until(lambda: of(supervisor, "base").state == State.READY)
            assert pid_of(supervisor, "base") != first
            assert pid_of(supervisor, "leaf") == leaf
            assert of(supervisor, "leaf").restarts == 0

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario())


async def test_a_restart_that_fails_is_tried_again(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    # The first life removes what the later ones need, until somebody puts it back.
    (tmp_path / "good").touch()
    line = f"test -e good || exit 1; touch up; {SLEEP}"
    child = script("base", line, ready=there(tmp_path / "up"))
    async with Supervisor() as supervisor:
        await supervisor.start(child)
        (tmp_path / "good").unlink()
        (tmp_path / "up").unlink()
        os.kill(pid_of(supervisor, "base"), signal.SIGKILL)
        await until(lambda: of(supervisor, "base").restarts >= 2)
        (tmp_path / "good").touch()
        await until(lambda: of(supervisor, "base").state == State.READY)


async def test_what_a_process_needs_cleared_is_cleared_before_every_start(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    stale = tmp_path / "stale"
    stale.touch()

    def clear() -> None:
        stale.unlink(missing_ok=True)

    line = f"test -e stale && exit 1; touch stale; {SLEEP}"
    async with Supervisor() as supervisor:
        await supervisor.start(script("base", line, before=clear, ready=there(stale)))
        os.kill(pid_of(supervisor, "base"), signal.SIGKILL)
        await until(lambda: of(supervisor, "base").restarts == 1)
        await until(lambda: of(supervisor, "base").state == State.READY)


async def test_processes_stop_in_the_reverse_order_of_their_needs(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    def stopping(name: str, *needs: str) -> ProcessSpec:
        trap = f"trap 'sleep 0.1; echo {name} >> order; exit 0' TERM; touch {name}"
        line = f"{trap}; while :; do sleep 0.02; done"
        return script(name, line, needs=needs, ready=there(tmp_path / name))

    async with Supervisor() as supervisor:
        await supervisor.start(stopping("a"), stopping("b", "a"), stopping("c", "b"))
    assert (tmp_path / "order").read_text().split() == ["c", "b", "a"]
    assert {child.state for child in supervisor.state()} == {State.STOPPED}


async def test_a_process_that_ignores_the_signal_is_killed_with_what_it_started(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    line = "trap '' TERM; sleep 1000 & echo $! > inner; touch up; wait; wait"
    deaf = script("deaf", line, ready=there(tmp_path / "up"), stop_timeout_s=0.2)
    async with Supervisor() as supervisor:
        await supervisor.start(deaf)
        outer, inner = pid_of(supervisor, "deaf"), int((tmp_path / "inner").read_text())
    assert not psutil.pid_exists(outer)
    await until(lambda: not runs(inner))


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_what_an_exited_process_left_in_its_group_is_ended(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    line = f"sleep 1000 & echo $! > inner.new; mv inner.new inner; {SLEEP}"
    async with Supervisor() as supervisor:
        await supervisor.start(script("base", line, ready=there(tmp_path / "inner")))
        inner = int((tmp_path / "inner").read_text())
        os.kill(pid_of(supervisor, "base"), signal.SIGKILL)
        await until(lambda: not runs(inner))


async def test_a_child_is_out_of_reach_of_the_terminals_ctrl_c(
    script: Callable[..., ProcessSpec],
) -> None:
    async with Supervisor() as supervisor:
        await supervisor.start(script("base", SLEEP))
        pid = pid_of(supervisor, "base")
        assert os.getsid(pid) == pid


async def test_a_log_is_appended_to_and_put_aside_when_it_is_long(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    log, aside = tmp_path / "logs" / "base.log", tmp_path / "logs" / "base.log.1"
    spec = script(
        "base", f"echo hello; touch up; {SLEEP}", log_file=log, ready=there(tmp_path / "up")
    )
    for _ in range(2):
        (tmp_path / "up").unlink(missing_ok=True)
        async with Supervisor() as supervisor:
            await supervisor.start(spec)
    assert log.read_text() == "hello\nhello\n"
    assert not aside.exists()

    os.truncate(log, LOG_LIMIT + 1)
    (tmp_path / "up").unlink()
    async with Supervisor() as supervisor:
        await supervisor.start(spec)
    assert log.read_text() == "hello\n"
    assert aside.stat().st_size == LOG_LIMIT + 1


async def test_a_child_gets_the_environment_it_was_given_and_no_other(
    script: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    async with Supervisor() as supervisor:
        await supervisor.start(script("base", SLEEP))
        given = psutil.Process(pid_of(supervisor, "base")).environ()
    assert "HOME" not in given
    assert given["PATH"] == os.defpath
