"""The indexes of the job tables, each with the query it serves."""

from functools import partial

from infra.jobs.reading import Filter, get_job, lines, list_jobs
from infra.jobs.stats import stats
from infra.jobs.working import claim, expire_leases
from projections.served import ID, Served, of, sql

JOBS = (
    Served("formula_jobs_pkey", "a job", partial(get_job, job=ID)),
    Served("formula_jobs_ended_idx", "how the queues do", partial(stats, queues=["queue 7"])),
    Served("formula_jobs_batch_idx", "a batch", of("formula_jobs", "batch", "id")),
    Served("formula_jobs_asked_idx", "somebody's", partial(list_jobs, which=Filter(owner=ID))),
    Served(
        "formula_jobs_singleton_idx",
        "one that is not over",
        sql(
            "SELECT FROM formula_jobs WHERE name = 'name 7' AND singleton = 'singleton 7'"
            " AND state IN ('blocked', 'queued', 'running')"
        ),
    ),
    Served("formula_job_log_pkey", "what a job said", partial(lines, job=ID)),
    Served(
        "formula_job_needs_pkey",
        "who waits for a job",
        of("formula_job_needs", "needs", "job"),
    ),
    Served(
        "formula_job_needs_job_idx",
        "what a job waits for",
        of("formula_job_needs", "job", "needs"),
    ),
    Served(
        "formula_jobs_leased_idx",
        "whose lease is over",
        partial(expire_leases, now=0.0),
    ),
    Served("formula_jobs_listed_idx", "newest first", list_jobs),
    Served(
        "formula_jobs_waiting_idx",
        "what is due",
        partial(claim, most={"queue 7": 50}, worker=ID, lease_s=60.0, kinds=["name 7", "name 8"]),
    ),
)
