"""How a process of Formula ends that cannot go on: its exit code, and one line that says why."""

import sys

EXIT_CONFIG = 2  # settings or addresses are wrong: starting again will not help
EXIT_UNKNOWN_TAG = 3  # a newer version wrote to the log: this one must not go on


def fatal(code: int, error: BaseException) -> int:
    line = " ".join(str(error).split()) or type(error).__name__
    sys.stderr.write(f"formula: {line}\n")
    return code
