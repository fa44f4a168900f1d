"""Results that are kept, by suite and time: in files beside the suites, which git ignores."""

from contextlib import suppress
from pathlib import Path

import msgspec

from bench.report import Report

RESULTS = Path(__file__).parent / "results"


def stem(report: Report) -> str:
    time = report.environment.at.replace("+00:00", "Z").replace(":", "")
    return f"{report.suite}-{time}"


def save(report: Report, folder: Path = RESULTS) -> Path:
    """Kept beside earlier ones."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{stem(report)}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return path


def load(path: Path) -> Report:
    """Raises msgspec.ValidationError for a file that is no result."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def of_suite(suite: str, folder: Path = RESULTS) -> list[Report]:
    """Oldest first. What another version kept in another form is left out."""
    found: list[Report] = []
    for path in sorted(folder.glob(f"{suite}-[0-9]*.json")):
        with suppress(msgspec.DecodeError):
            found.append(load(path))
    return found


def newest(suite: str, folder: Path = RESULTS) -> Report | None:
    """Of the whole suite; one that was only a look says too little to be shown."""
    return next((one for one in reversed(of_suite(suite, folder)) if not _quick(one)), None)


def before(report: Report, folder: Path = RESULTS) -> Report | None:
    """The run before it that can be compared with it: whole runs with whole ones."""
    earlier = [
        one
        for one in of_suite(report.suite, folder)
        if one.environment.at < report.environment.at and _quick(one) == _quick(report)
    ]
    return earlier[-1] if earlier else None


def _quick(report: Report) -> bool:
    return report.environment.quick
