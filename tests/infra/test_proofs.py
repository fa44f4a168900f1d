from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from infra.proofs import MAX_PROOF, Purpose, holds, parse, prove
from infra.settings import Settings

OURS = Settings(jwt_secret="a-secret-of-the-tests-that-is-long-enough")
ANN = UUID(int=1)

purposes = st.sampled_from(Purpose)
numbers = st.integers(0, 2**64 - 1)


@given(purposes, st.uuids(), numbers, st.text())
def test_a_proof_says_whose_it_is_and_holds(
    purpose: Purpose, subject: UUID, number: int, state: str
) -> None:
    text = prove(OURS, purpose, subject, number, state)
    proof = parse(text)
    assert proof is not None
    assert (proof.subject, proof.number) == (subject, number)
    assert holds(OURS, purpose, proof, state)
    assert not holds(OURS, purpose, proof, state + "!")
    assert len(text) <= MAX_PROOF


@given(purposes, purposes)
def test_a_proof_is_good_for_one_purpose(one: Purpose, other: Purpose) -> None:
    proof = parse(prove(OURS, one, ANN, 7))
    assert proof is not None
    assert holds(OURS, other, proof) == (one is other)


@given(st.integers(0, 55), st.integers(1, 255))
def test_an_altered_proof_does_not_hold(place: int, change: int) -> None:
    content = bytearray(urlsafe_b64decode(prove(OURS, Purpose.RESET, ANN, 7) + "="))
    content[place] ^= change
    proof = parse(urlsafe_b64encode(content).decode().rstrip("="))
    assert proof is not None
    assert not holds(OURS, Purpose.RESET, proof)


@given(st.text(max_size=120))
def test_what_is_made_up_does_not_hold(text: str) -> None:
    proof = parse(text)
    assert proof is None or not holds(OURS, Purpose.RESET, proof)


def test_what_the_secret_before_proved_holds_and_another_s_does_not() -> None:
    proof = parse(prove(OURS, Purpose.DEVICE, ANN, 7))
    assert proof is not None
    assert holds(Settings(jwt_secret="new", jwt_secret_old=OURS.jwt_secret), Purpose.DEVICE, proof)
    assert not holds(Settings(jwt_secret="new"), Purpose.DEVICE, proof)


def test_a_proof_ends_at_its_time() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    proof = parse(prove(OURS, Purpose.RESET, ANN, int(at.timestamp())))
    assert proof is not None
    assert proof.ended(at)
    assert not proof.ended(datetime(2029, 12, 31, tzinfo=UTC))
