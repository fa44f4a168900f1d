from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from domain.audit import AuditFilter
from domain.job_args import (
    ASKING,
    AnyArgs,
    Ping,
    QueueName,
    ReportActivity,
    ReportAudit,
    ReportPerformance,
    ReportProject,
    SnapshotDay,
    VerifyLog,
    person_of,
    project_of,
)
from domain.jobs import (
    JOB,
    MAX_BATCH,
    BatchRequested,
    CancelAsked,
    CancelJob,
    JobCommand,
    JobRequested,
    RequestBatch,
    RequestJob,
    RetryAsked,
    RetryJob,
    Wanted,
)
from domain.queue import (
    QUEUE,
    Alarm,
    DeadDiscardAsked,
    DeadRetryAsked,
    DiscardDead,
    NoteAlarms,
    PauseQueue,
    QueueAlarmed,
    QueueCalmed,
    QueuePaused,
    QueueResumed,
    ResumeQueue,
    RetryDead,
)
from tests.dsl import check, refused

PING = Wanted(args=Ping())
ONE, TWO = UUID(int=1), UUID(int=2)
EMAIL = QueueName.EMAIL
DAY, ONE_DAY, YEAR = date(2026, 5, 4), timedelta(days=1), timedelta(days=366)
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001, the point


def wanted(**changed: object) -> Wanted:
    return msgspec.structs.replace(PING, **changed)


def test_a_job_is_asked_for_once() -> None:
    asked = JobRequested(wanted=PING)
    check(JOB, given=[], when=RequestJob(wanted=PING), then=[asked])
    check(JOB, given=[asked], when=RequestJob(wanted=PING), then=refused("job.exists"))
    batch = BatchRequested(jobs=(PING,))
    check(JOB, given=[batch], when=RequestBatch(jobs=(PING,)), then=refused("job.exists"))


def test_what_is_needed_twice_is_needed_once_and_blanks_do_not_count() -> None:
    check(
        JOB,
        given=[],
        when=RequestJob(wanted=wanted(needs=(ONE, TWO, ONE), unique=" u ")),
        then=[JobRequested(wanted=wanted(needs=(ONE, TWO), unique="u"))],
    )


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (wanted(priority=10), "job.bad_priority"),
        (wanted(priority=-1), "job.bad_priority"),
        (wanted(unique="u" * 201), "job.bad_unique"),
        (wanted(needs=tuple(UUID(int=n) for n in range(101))), "job.too_many_needs"),
        (wanted(run_at=NAIVE), "job.no_time_zone"),
        (wanted(run_at=datetime(9999, 12, 31, tzinfo=UTC)), "job.bad_run_at"),
        (wanted(args=Ping(seconds=3_601)), "job.bad_seconds"),
        (wanted(args=Ping(seconds=-1)), "job.bad_seconds"),
        (wanted(args=ReportProject(project=ONE, first=DAY, last=DAY - ONE_DAY)), "report.bad_days"),
        (wanted(args=ReportProject(project=ONE, first=DAY, last=DAY + YEAR)), "report.bad_days"),
        (wanted(args=ReportProject(project=ONE, first=date.max, last=date.max)), "report.bad_days"),
        (wanted(args=ReportActivity(person=ONE, first=DAY, last=DAY + YEAR)), "report.bad_days"),
        (wanted(args=ReportActivity(first=DAY, last=DAY)), "report.project_or_person"),
        (
            wanted(args=ReportActivity(project=ONE, person=TWO, first=DAY, last=DAY)),
            "report.project_or_person",
        ),
        (wanted(args=ReportAudit(filter=AuditFilter(type="t" * 201))), "audit.filter_too_long"),
        (wanted(args=ReportAudit(filter=AuditFilter(since=NAIVE))), "job.no_time_zone"),
        (wanted(args=ReportPerformance(hours=0)), "report.bad_hours"),
        (wanted(args=ReportPerformance(hours=169)), "report.bad_hours"),
        (wanted(args=VerifyLog(after=-1)), "job.bad_after"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(bad: Wanted, code: str) -> None:
    commands: list[JobCommand] = [
        RequestJob(wanted=bad),
        RequestBatch(jobs=(PING, bad)),
        RequestBatch(jobs=(PING,), then=bad),
    ]
    for command in commands:
        check(JOB, given=[], when=command, then=refused(code))


def test_a_batch_is_neither_empty_nor_endless() -> None:
    check(JOB, given=[], when=RequestBatch(jobs=()), then=refused("job.bad_batch"))
    many = RequestBatch(jobs=(PING,) * (MAX_BATCH + 1))
    check(JOB, given=[], when=many, then=refused("job.bad_batch"))


def test_any_job_may_be_cancelled_and_retried_also_one_that_an_event_led_to() -> None:
    check(JOB, given=[], when=CancelJob(reason=" no "), then=[CancelAsked(reason="no")])
    check(JOB, given=[CancelAsked()], when=RetryJob(), then=[RetryAsked()])
    check(JOB, given=[], when=CancelJob(reason="x" * 501), then=refused("job.bad_reason"))


def test_for_each_job_it_is_said_who_may_ask_for_it() -> None:
    assert set(ASKING) == set(AnyArgs.__args__)


@pytest.mark.parametrize(
    ("args", "project", "person"),
    [
        (Ping(), None, None),
        (ReportProject(project=ONE, first=DAY, last=DAY + 365 * ONE_DAY), ONE, None),
        (ReportActivity(project=ONE, first=DAY, last=DAY), ONE, None),
        (ReportActivity(person=TWO, first=DAY, last=DAY), None, TWO),
        (ReportAudit(filter=AuditFilter(project=ONE)), None, None),  # the audit's readers see all
        (ReportPerformance(), None, None),
    ],
)
def test_whom_and_what_a_report_is_about_is_known(
    args: AnyArgs, project: UUID | None, person: UUID | None
) -> None:
    assert (project_of(args), person_of(args)) == (project, person)
    asked = Wanted(args=args)
    check(JOB, given=[], when=RequestJob(wanted=asked), then=[JobRequested(wanted=asked)])


def test_arguments_are_read_by_their_type_and_nothing_is_ignored() -> None:
    read = msgspec.json.decode(b'{"type":"snapshot_day","day":"2026-05-04"}', type=AnyArgs)
    assert read == SnapshotDay(day=date(2026, 5, 4))
    for bad in (b'{"type":"ping","colour":1}', b'{"type":"rm"}', b'{"type":"snapshot_day"}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(bad, type=AnyArgs)


# Queues


def test_a_queue_is_paused_once_and_goes_on_once() -> None:
    pause, resume = PauseQueue(queue=EMAIL, reason="full"), ResumeQueue(queue=EMAIL)
    paused = QueuePaused(queue=EMAIL, reason="full")
    check(QUEUE, given=[], when=pause, then=[paused])
    check(QUEUE, given=[paused], when=pause, then=[])
    check(QUEUE, given=[paused], when=resume, then=[QueueResumed(queue=EMAIL)])
    check(QUEUE, given=[], when=resume, then=[])


def test_all_dead_jobs_of_a_queue_are_retried_as_often_as_one_asks() -> None:
    asked = DeadRetryAsked(queue=EMAIL, job="mail_notice")
    retry = RetryDead(queue=EMAIL, job=" mail_notice ")
    check(QUEUE, given=[asked], when=retry, then=[asked])


def test_dead_jobs_are_discarded_for_a_reason() -> None:
    asked = DeadDiscardAsked(queue=EMAIL, job="mail_notice", reason="no such domain")
    discard = DiscardDead(queue=EMAIL, job=" mail_notice ", reason=" no such domain ")
    check(QUEUE, given=[asked], when=discard, then=[asked])
    no_reason = msgspec.structs.replace(discard, reason=" ")
    check(QUEUE, given=[], when=no_reason, then=refused("queue.bad_reason"))


def noted(*alarms: Alarm, dead: int = 1) -> NoteAlarms:
    return NoteAlarms(queue=EMAIL, alarms=alarms, dead=dead, due=2, oldest_s=3)


def test_ten_times_as_many_dead_are_told_again() -> None:
    told = QueueAlarmed(queue=EMAIL, alarm=Alarm.DEAD, dead=2, due=2, oldest_s=3)
    more = msgspec.structs.replace(told, dead=20)
    check(QUEUE, given=[told], when=noted(Alarm.DEAD, dead=19), then=[])
    check(QUEUE, given=[told], when=noted(Alarm.DEAD, dead=20), then=[more])
    check(QUEUE, given=[told, more], when=noted(Alarm.DEAD, dead=21), then=[])


def test_other_alarms_do_not_count_for_the_dead() -> None:
    told = QueueAlarmed(queue=EMAIL, alarm=Alarm.DEAD, dead=1, due=2, oldest_s=3)
    late = msgspec.structs.replace(told, alarm=Alarm.LATE, dead=9)
    more = msgspec.structs.replace(told, dead=10)
    check(QUEUE, given=[told, late], when=noted(Alarm.DEAD, Alarm.LATE, dead=10), then=[more])


def test_an_alarm_is_told_once_and_so_is_its_end() -> None:
    dead = QueueAlarmed(queue=EMAIL, alarm=Alarm.DEAD, dead=1, due=2, oldest_s=3)
    late = msgspec.structs.replace(dead, alarm=Alarm.LATE)
    calm = QueueCalmed(queue=EMAIL, alarm=Alarm.DEAD)
    check(QUEUE, given=[], when=noted(), then=[])
    check(QUEUE, given=[], when=noted(Alarm.LATE, Alarm.DEAD), then=[dead, late])
    check(QUEUE, given=[dead], when=noted(Alarm.DEAD), then=[])
    check(QUEUE, given=[dead], when=noted(Alarm.LATE), then=[late, calm])
    check(QUEUE, given=[dead, calm], when=noted(Alarm.DEAD), then=[dead])


def test_a_pause_and_an_alarm_know_nothing_of_each_other() -> None:
    dead = QueueAlarmed(queue=EMAIL, alarm=Alarm.DEAD)
    paused, resumed = QueuePaused(queue=EMAIL), QueueResumed(queue=EMAIL)
    check(QUEUE, given=[dead, paused, resumed], when=noted(Alarm.DEAD), then=[])
    check(QUEUE, given=[paused, dead], when=PauseQueue(queue=EMAIL), then=[])
