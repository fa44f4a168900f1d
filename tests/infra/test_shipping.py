"""What ships telemetry: it never waits, drops rather than grows, and bears a receiver's absence."""

from threading import Event

import pytest

from infra.shipping import DROPPED, MOST, NotTaken, Shipper
from tests.infra.until import wait_until


class Away:
    """A receiver that is there when it is let."""

    def __init__(self) -> None:
        self.there, self.tried = Event(), Event()
        self.got: list[int] = []

    def send(self, batch: list[int]) -> None:
        self.tried.set()
        while batch:
            if not self.there.is_set() and len(self.got) % 3 == 2:
                raise ConnectionRefusedError
            self.got.append(batch.pop(0))


def dropped(what: str) -> int:
    return DROPPED.values.get(what, 0)


def test_what_is_put_arrives_in_order_when_it_is_closed() -> None:
    got: list[int] = []
    shipper = Shipper[int]("in order", lambda: got.extend)
    for number in range(1_000):
        shipper.put(number)
    shipper.close()
    assert got == list(range(1_000))
    assert dropped("in order") == 0


def test_a_receiver_that_comes_back_gets_what_waited_once() -> None:
    away = Away()
    shipper = Shipper[int]("back", lambda: away.send)
    for number in range(300):
        shipper.put(number)
    wait_until(lambda: len(away.got) == 2)
    away.there.set()
    wait_until(lambda: len(away.got) == 300)
    shipper.close()
    assert away.got == list(range(300))


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    hold = Event()

    def send(_batch: list[int]) -> None:
        hold.wait(20)

    shipper = Shipper[int]("full", lambda: send, most=10)
    for number in range(50):
        shipper.put(number)
    assert dropped("full") == 40
    hold.set()
    shipper.close()


def test_a_process_that_ends_does_not_wait_for_a_receiver_that_is_away() -> None:
    away = Away()
    shipper = Shipper[int]("gone", lambda: away.send)
    for number in range(10):
        shipper.put(number)
    shipper.close(within_s=20)
    assert (len(away.got), dropped("gone")) == (2, 8)


@pytest.mark.parametrize("error", [NotTaken("x"), ValueError("x")])
def test_a_batch_that_is_not_wanted_is_not_sent_again(error: Exception) -> None:
    batches: list[list[int]] = []

    def send(batch: list[int]) -> None:
        batches.append(batch)
        if len(batches) == 1:
            raise error

    what = type(error).__name__
    shipper = Shipper[int](what, lambda: send)
    for number in range(MOST // 16):
        shipper.put(number)
    shipper.close(within_s=20)
    sent = [number for batch in batches for number in batch]
    assert sent == list(range(MOST // 16))
    assert dropped(what) == len(batches[0])
