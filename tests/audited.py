"""What pip-audit found, in a few lines: python -m tests.audited < its JSON.

Exit code 1: a vulnerability is known. 2: not everything could be looked up, so nobody knows.
pip-audit itself says "no known vulnerabilities" and 0 where it has reached nobody.
"""

import sys
from collections.abc import Iterator

import msgspec


class Vulnerability(msgspec.Struct, frozen=True):
    id: str
    fix_versions: tuple[str, ...] = ()


class Dependency(msgspec.Struct, frozen=True):
    name: str
    version: str = ""
    vulns: tuple[Vulnerability, ...] = ()
    skip_reason: str = ""


class Report(msgspec.Struct, frozen=True):
    dependencies: tuple[Dependency, ...]


def judged(report: Report) -> tuple[int, list[str]]:
    """The exit code, and what to print."""
    if found := list(_found(report)):
        return 1, found
    skipped = sum(1 for one in report.dependencies if one.skip_reason)
    if not report.dependencies:
        return 2, ["not audited: there is no report"]
    if skipped:
        return 2, [f"not audited: {skipped} of {len(report.dependencies)} could not be looked up"]
    return 0, [f"{len(report.dependencies)} audited, no vulnerability is known"]


def _found(report: Report) -> Iterator[str]:
    for one in report.dependencies:
        for known in one.vulns:
            fixed = ", ".join(known.fix_versions) or "no version yet"
            yield f"{one.name} {one.version}: {known.id}, fixed in {fixed}"


def main() -> int:
    try:
        report = msgspec.json.decode(sys.stdin.buffer.read(), type=Report)
    except msgspec.DecodeError:  # it has said on stderr why there is none
        report = Report(())
    code, lines = judged(report)
    sys.stdout.write("\n".join([*lines, ""]))
    return code


if __name__ == "__main__":
    sys.exit(main())
