"""Levels by the names of loggers, changed while they are in use; run in a process of its own,
for logging is a process's."""

import json
import subprocess
import sys

PROGRAM = '''
import logging
import structlog
from infra import loggers
from infra.log import configure_logging
from infra.settings import Settings
from infra.tracing import begun, span

def logger(name):
    """As a module of that name has it."""
    module = {"__name__": name, "structlog": structlog}
    exec("log = structlog.get_logger()\\ndef say(text): log.debug(text); log.info(text)", module)
    return module["say"]

configure_logging(Settings())
writer, store = logger("infra.eventstore.writer"), logger("infra.store")
library = logging.getLogger("botocore.auth")
def all_say(text):
    writer(text); store(text); library.debug(text); library.warning("%s", text)
all_say("usual")
loggers.ask({"infra.eventstore": "debug", "botocore": "error"})
all_say("asked")
loggers.ask({"": "debug"})
all_say("everything")
loggers.ask({})
all_say("after")
with span("x", begun("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")):
    library.warning("traced")
try:
    raise ValueError("Bearer abc.def")
except ValueError:
    library.exception("failed")
'''


def test_levels_change_by_name_and_go_back() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    said = {
        text: [(one["logger"], one["level"]) for one in lines if one["event"] == text]
        for text in ("usual", "asked", "everything", "after")
    }
    writer, store, library = "infra.eventstore.writer", "infra.store", "botocore.auth"
    usual = [(writer, "info"), (store, "info"), (library, "warning")]
    assert said["usual"] == said["after"] == usual
    assert said["asked"] == [(writer, "debug"), (writer, "info"), (store, "info")]
    assert said["everything"] == [
        (writer, "debug"),
        (writer, "info"),
        (store, "debug"),
        (store, "info"),
        (library, "warning"),  # what is chatty stays quiet until it is asked for by name
    ]
    traced, failed = lines[-2:]
    assert (traced["trace_id"], traced["span_id"]) == (
        "0af7651916cd43dd8448eb211c80319c",
        "b7ad6b7169203331",
    )
    assert failed["exception"][0]["exc_value"] == "Bearer ********"
