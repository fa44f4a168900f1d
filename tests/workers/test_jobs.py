"""Jobs as values: what each event asks for, and nothing more."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.announcement import AnnouncementPublished
from domain.digest import DigestStarted
from domain.entry import ApiKeyCreated, RefreshTokenReused
from domain.job_args import Ping, QueueName, SnapshotDay
from domain.jobs import BatchRequested, JobRequested, Wanted, member_id
from domain.kernel import Event, Metadata, Recorded
from domain.notification import Mailed, NotificationSent
from domain.preferences import Notice
from domain.task import CommentAdded, CommentEdited, TaskAssigned
from domain.user import PasswordSet, UserEmailChanged, UserProfileChanged
from infra.jobs.model import CONSUMER, NewJob
from infra.jobs.queues import queues_of
from infra.settings import Settings
from tests.workers.office import AT
from workers import announce, notify_assigned, notify_mentioned
from workers.announce import Announce
from workers.model import Job
from workers.notify_assigned import Assigned
from workers.notify_mentioned import Mentioned
from workers.reactions import Reactions
from workers.registry import JOBS

ANN, BOB, EVE, TASK, COMMENT = (UUID(int=n) for n in (1, 2, 3, 11, 12))


QUEUES = queues_of(Settings(email_retries=7, notifications_retries=7))


def reactions(event: Recorded[Any], kinds: Sequence[Job[Any]] = JOBS) -> list[NewJob]:
    return Reactions(kinds, QUEUES).of(event)


def recorded(event: Event, by: UUID | None = ANN) -> Recorded[Any]:
    meta = Metadata(actor=by, correlation_id=UUID(int=99))
    return Recorded(event, TASK, version=3, position=42, at=AT, meta=meta)


def test_somebody_given_a_task_is_told() -> None:
    event = TaskAssigned(assignee=BOB)
    assert notify_assigned.react(recorded(event)) == [Assigned(BOB, TASK, ANN)]


def test_taking_a_task_oneself_or_freeing_it_tells_nobody() -> None:
    assert notify_assigned.react(recorded(TaskAssigned(assignee=ANN))) == []
    assert notify_assigned.react(recorded(TaskAssigned(assignee=None, was=BOB))) == []


def test_everybody_mentioned_but_the_author_is_told() -> None:
    event = CommentAdded(comment=COMMENT, author=ANN, body="look", mentions=(BOB, ANN, EVE), at=AT)
    asked = notify_mentioned.react(recorded(event, by=None))
    assert asked == [Mentioned(BOB, TASK, ANN), Mentioned(EVE, TASK, ANN)]


def test_an_edit_tells_those_it_mentions() -> None:
    event = CommentEdited(comment=COMMENT, body="look again", mentions=(ANN, BOB))
    assert notify_mentioned.react(recorded(event)) == [Mentioned(BOB, TASK, ANN)]


def test_an_announcement_is_one_job() -> None:
    event = AnnouncementPublished(title="Down at 8", body="", level="warning", at=AT)
    assert announce.react(recorded(event)) == [Announce(TASK, "Down at 8", "", "warning", ())]


def test_two_mentioned_people_are_two_jobs_of_each_kind() -> None:
    event = CommentAdded(comment=COMMENT, author=ANN, body="look", mentions=(BOB, EVE), at=AT)
    asked = reactions(recorded(event))
    assert [(job.name, job.queue, job.key) for job in asked] == [
        ("notify_mentioned", "notifications", str(BOB)),
        ("notify_mentioned", "notifications", str(EVE)),
    ]
    assert len({job.id for job in asked}) == 2


@pytest.mark.parametrize(
    ("kind", "job", "priority"),
    [
        (Notice.MENTIONED, "mail_notice", 5),
        (Notice.REPORT, "mail_notice", 5),
        (Notice.ANNOUNCEMENT, "mail_announcement", 7),
    ],
)
def test_a_notice_that_is_mailed_at_once_is_one_mail(kind: Notice, job: str, priority: int) -> None:
    """What went to everybody comes after what was meant for one."""
    sent = NotificationSent(user=BOB, kind=kind, title="T", email=Mailed.AT_ONCE, at=AT)
    (asked,) = reactions(recorded(sent))
    assert (asked.name, asked.queue, asked.priority) == (job, "email", priority)


@pytest.mark.parametrize("email", [Mailed.NEVER, Mailed.DAILY])
def test_a_notice_that_is_not_mailed_at_once_asks_for_nothing(email: Mailed) -> None:
    sent = NotificationSent(user=BOB, kind=Notice.MENTIONED, title="T", email=email, at=AT)
    assert reactions(recorded(sent)) == []


def test_a_digest_is_one_mail() -> None:
    started = DigestStarted(user=BOB, day=AT.date(), after=3, upto=9)
    (asked,) = reactions(recorded(started))
    assert (asked.name, asked.args) == ("mail_digest", {"user": str(BOB), "after": 3, "upto": 9})


@pytest.mark.parametrize(
    "changed",
    [
        PasswordSet(),
        UserEmailChanged(email="b@example.com"),
        ApiKeyCreated(key=TASK, name="K", scopes=("read",), expires=AT, at=AT),
        RefreshTokenReused(session=TASK),
    ],
)
def test_another_way_into_an_account_is_one_mail_to_its_owner(changed: Event) -> None:
    (asked,) = reactions(recorded(changed))
    assert (asked.name, asked.args, asked.priority) == ("mail_account", {"user": str(TASK)}, 1)


def test_another_name_is_none() -> None:
    assert reactions(recorded(UserProfileChanged(name="Bob"))) == []


def test_a_job_knows_what_led_to_it() -> None:
    job = reactions(recorded(TaskAssigned(assignee=BOB)), [notify_assigned.JOB])[0]
    assert (job.consumer, job.position) == (CONSUMER, 42)
    assert job.correlation_id == UUID(int=99)
    assert job.args == {"user": str(BOB), "task": str(TASK), "by": str(ANN)}
    assert job.max_attempts == 8


def test_the_words_of_a_comment_stay_out_of_the_rows() -> None:
    event = CommentAdded(comment=COMMENT, author=ANN, body="secret", mentions=(BOB,), at=AT)
    assert all("secret" not in str(job.args) for job in reactions(recorded(event)))


def test_a_reaction_that_fails_leaves_a_dead_job_and_the_others() -> None:
    def fails(_recorded: Recorded[Any]) -> list[Assigned]:
        raise ValueError("no")

    broken: Job[Any] = msgspec.structs.replace(notify_assigned.JOB, name="broken", react=fails)
    asked = reactions(recorded(TaskAssigned(assignee=BOB)), [broken, notify_assigned.JOB])
    assert [(job.name, job.error) for job in asked] == [
        ("broken", "ValueError('no')"),
        ("notify_assigned", None),
    ]


def test_arguments_survive_the_row() -> None:
    event = AnnouncementPublished(title="Down at 8", body="", level="warning", at=AT)
    args = announce.react(recorded(event))[0]
    kept = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(args)))
    assert msgspec.convert(kept, Announce) == args


def test_every_job_has_a_name_of_its_own_and_a_known_queue() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)
    assert {job.queue for job in JOBS} <= set(QueueName)


# Jobs that somebody asked for


def test_a_job_that_was_asked_for_has_the_id_of_the_request() -> None:
    wanted = Wanted(
        args=SnapshotDay(day=AT.date()), priority=1, run_at=AT, unique="u", needs=(BOB,)
    )
    (job,) = reactions(recorded(JobRequested(wanted=wanted)))
    assert (job.id, job.name, job.queue) == (TASK, "snapshot_day", "analytics")
    assert (job.priority, job.run_at, job.singleton, job.needs) == (1, AT, f"{ANN} u", (BOB,))
    assert job.args == {"type": "snapshot_day", "day": "2026-05-04"}
    assert job.owner == ANN


def test_a_ping_goes_to_the_queue_that_it_is_for() -> None:
    wanted = Wanted(args=Ping(queue=QueueName.EMAIL))
    (job,) = reactions(recorded(JobRequested(wanted=wanted)))
    assert (job.queue, job.max_attempts) == ("email", 8)


def test_the_last_job_of_a_batch_waits_for_the_others_however_they_end() -> None:
    wanted = Wanted(args=Ping())
    jobs = reactions(recorded(BatchRequested(jobs=(wanted, wanted), then=wanted)))
    assert [job.id for job in jobs] == [member_id(TASK, index) for index in (0, 1, -1)]
    assert {job.batch for job in jobs} == {TASK}
    assert jobs[-1].needs == (jobs[0].id, jobs[1].id)
    assert [job.anyway for job in jobs] == [False, False, True]


def test_a_job_that_nobody_knows_is_dead_from_the_start() -> None:
    (job,) = reactions(recorded(JobRequested(wanted=Wanted(args=Ping()))), [notify_assigned.JOB])
    assert job.error == "no worker knows the job ping"
