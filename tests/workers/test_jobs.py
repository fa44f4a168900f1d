"""Jobs as values: what each event asks for, and nothing more."""

from typing import Any
from uuid import UUID

import msgspec

from domain.announcement import AnnouncementPublished
from domain.kernel import Event, Metadata, Recorded
from domain.task import CommentAdded, CommentEdited, TaskAssigned
from tests.workers.office import AT
from workers import announce, mail_assigned, mail_mentioned
from workers.announce import Announce
from workers.consumer import CONSUMER, reactions
from workers.mail_assigned import Assigned
from workers.mail_mentioned import Mentioned
from workers.model import QUEUES, Job
from workers.registry import JOBS

ANN, BOB, EVE, TASK, COMMENT = (UUID(int=n) for n in (1, 2, 3, 11, 12))


def recorded(event: Event, by: UUID | None = ANN) -> Recorded[Any]:
    meta = Metadata(actor=by, correlation_id=UUID(int=99))
    return Recorded(event, TASK, version=3, position=42, at=AT, meta=meta)


def test_somebody_given_a_task_is_told() -> None:
    event = TaskAssigned(assignee=BOB)
    assert mail_assigned.react(recorded(event)) == [Assigned(BOB, TASK, ANN)]


def test_taking_a_task_oneself_or_freeing_it_tells_nobody() -> None:
    assert mail_assigned.react(recorded(TaskAssigned(assignee=ANN))) == []
    assert mail_assigned.react(recorded(TaskAssigned(assignee=None, was=BOB))) == []


def test_everybody_mentioned_but_the_author_is_told() -> None:
    event = CommentAdded(comment=COMMENT, author=ANN, body="look", mentions=(BOB, ANN, EVE), at=AT)
    asked = mail_mentioned.react(recorded(event, by=None))
    assert asked == [Mentioned(BOB, TASK, ANN), Mentioned(EVE, TASK, ANN)]


def test_an_edit_tells_those_it_mentions() -> None:
    event = CommentEdited(comment=COMMENT, body="look again", mentions=(ANN, BOB))
    assert mail_mentioned.react(recorded(event)) == [Mentioned(BOB, TASK, ANN)]


def test_an_announcement_is_one_job() -> None:
    event = AnnouncementPublished(title="Down at 8", body="", level="warning", at=AT)
    assert announce.react(recorded(event)) == [Announce(TASK, "Down at 8", "", "warning", ())]


def test_two_mentioned_people_are_two_jobs_of_each_kind() -> None:
    event = CommentAdded(comment=COMMENT, author=ANN, body="look", mentions=(BOB, EVE), at=AT)
    asked = reactions(recorded(event), JOBS)
    assert [(job.name, job.queue, job.key) for job in asked] == [
        ("mail_mentioned", "email", str(BOB)),
        ("mail_mentioned", "email", str(EVE)),
        ("notify_mentioned", "notifications", str(BOB)),
        ("notify_mentioned", "notifications", str(EVE)),
    ]
    assert len({job.id for job in asked}) == 4


def test_a_job_knows_what_led_to_it() -> None:
    job = reactions(recorded(TaskAssigned(assignee=BOB)), [mail_assigned.JOB])[0]
    assert (job.consumer, job.position) == (CONSUMER, 42)
    assert job.correlation_id == UUID(int=99)
    assert job.args == {"user": str(BOB), "task": str(TASK), "by": str(ANN)}
    assert job.max_attempts == 4


def test_the_words_of_a_comment_stay_out_of_the_rows() -> None:
    event = CommentAdded(comment=COMMENT, author=ANN, body="secret", mentions=(BOB,), at=AT)
    assert all("secret" not in str(job.args) for job in reactions(recorded(event), JOBS))


def test_a_reaction_that_fails_leaves_a_dead_job_and_the_others() -> None:
    def fails(_recorded: Recorded[Any]) -> list[Assigned]:
        raise ValueError("no")

    broken: Job[Any] = msgspec.structs.replace(mail_assigned.JOB, name="broken", react=fails)
    asked = reactions(recorded(TaskAssigned(assignee=BOB)), [broken, mail_assigned.JOB])
    assert [(job.name, job.error) for job in asked] == [
        ("broken", "ValueError('no')"),
        ("mail_assigned", None),
    ]


def test_arguments_survive_the_row() -> None:
    event = AnnouncementPublished(title="Down at 8", body="", level="warning", at=AT)
    args = announce.react(recorded(event))[0]
    kept = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(args)))
    assert msgspec.convert(kept, Announce) == args


def test_every_job_has_a_name_of_its_own_and_a_known_queue() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)
    assert all(job.queue in QUEUES for job in JOBS)
