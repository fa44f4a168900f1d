"""A lock and its queue, beside a list of who is next: no order of commands is unfair."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.errors import Locked, Refused, WrongState
from domain.lock import (
    LOCK,
    ExpireLock,
    Lock,
    LockAcquired,
    LockCommand,
    LockGranted,
    LockStolen,
    ReleaseLock,
    RenewLock,
)
from tests.domain.desk import (
    START,
    TTL_S,
    acquire,
    person,
    stay,
    steal,
    stop,
)


class Fair(RuleBasedStateMachine):
    """The aggregate beside a list of who is next."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = Lock()
        self.now = START
        self.tokens = [0]  # of all grants, in their order
        self.holder: int | None = None
        self.ends = START
        self.line: list[int] = []

    def do(self, command: LockCommand) -> None:
        for event in LOCK.decide(command, self.lock):
            self.lock = LOCK.evolve(self.lock, event)
            if isinstance(event, LockAcquired | LockStolen | LockGranted):
                self.tokens.append(self.lock.version)
            if isinstance(event, LockGranted):
                assert event.token == self.lock.token

    def next(self) -> None:
        self.holder = self.line.pop(0) if self.line else None
        self.ends = self.now + timedelta(seconds=TTL_S)

    def pass_time(self) -> None:
        """A lease that is over goes to the next, whoever is the first to look."""
        if self.holder is not None and self.ends <= self.now:
            self.next()

    def seconds(self) -> float:
        return (self.now - START).total_seconds()

    @rule(seconds=st.sampled_from([0.0, 1.0, 14.0, 16.0, 29.0, 31.0]))
    def wait_a_while(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(who=st.integers(0, 5), wait=st.booleans())
    def ask(self, who: int, wait: bool) -> None:
        before = (self.lock, self.holder, self.ends, [*self.line])
        self.pass_time()
        command = acquire(who, self.seconds(), wait=wait)
        if self.holder in (None, who):
            if self.holder is None:
                self.holder, self.ends = who, self.now + timedelta(seconds=TTL_S)
            self.do(command)
        elif wait:
            if who not in self.line:
                self.line.append(who)
            self.do(command)
        else:
            with pytest.raises(Locked):
                self.do(command)
            self.lock, self.holder, self.ends, self.line = before  # a refusal stores nothing

    @rule(whose=st.lists(st.integers(0, 5), max_size=3))
    def leave(self, whose: list[int]) -> None:
        self.do(stop(*whose, seconds=self.seconds()))
        self.line = [who for who in self.line if who not in whose]
        if self.holder in whose:
            self.next()

    @rule()
    def expire(self) -> None:
        self.do(ExpireLock(token=self.lock.token, now=self.now))
        self.pass_time()

    @precondition(lambda self: self.holder is not None)
    @rule()
    def release(self) -> None:
        command = ReleaseLock(holder=person(self.holder or 0), token=self.tokens[-1], now=self.now)
        if self.ends <= self.now:
            with pytest.raises(WrongState):
                self.do(command)
        else:
            self.do(command)
            self.next()

    @rule(who=st.integers(0, 5), token=st.integers(0, 3))
    def use_an_old_token(self, who: int, token: int) -> None:
        old = self.tokens[-1 - token % len(self.tokens)]
        if old != self.lock.token or who != self.holder:
            with pytest.raises(Refused):
                self.do(ReleaseLock(holder=person(who), token=old, now=self.now))

    @precondition(lambda self: self.holder is not None)
    @rule()
    def renew(self) -> None:
        command = RenewLock(holder=person(self.holder or 0), token=self.tokens[-1], now=self.now)
        if self.ends <= self.now:
            with pytest.raises(WrongState):
                self.do(command)
            return
        self.do(command)
        if self.ends - self.now <= timedelta(seconds=TTL_S / 2):
            self.ends = self.now + timedelta(seconds=TTL_S)

    @rule(who=st.integers(0, 5))
    def take_away(self, who: int) -> None:
        if self.holder is None or (self.ends <= self.now and not self.line):
            with pytest.raises(WrongState):
                self.do(steal(who, self.seconds()))
            return
        self.do(steal(who, self.seconds()))
        self.pass_time()
        self.line = [one for one in self.line if one != who]
        self.holder, self.ends = who, self.now + timedelta(seconds=TTL_S)

    @invariant()
    def it_is_as_the_list_says(self) -> None:
        holder = None if self.holder is None else person(self.holder)
        assert self.lock.holder == holder
        assert [one.participation for one in self.lock.queue] == [stay(who) for who in self.line]
        assert holder is None or self.lock.expires == self.ends

    @invariant()
    def nobody_waits_for_what_is_free_or_theirs(self) -> None:
        waiting = [one.participation for one in self.lock.queue]
        assert self.lock.holder is not None or not waiting
        assert self.lock.participation not in waiting

    @invariant()
    def tokens_rise(self) -> None:
        assert self.tokens == sorted(set(self.tokens))


def test_a_queue_is_fair() -> None:
    run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]  # untyped options
        Fair, settings=settings(max_examples=60, stateful_step_count=30)
    )
