"""A program that runs once and within bounds, for work that would stop an event loop."""

import asyncio
import signal

from infra.processes import ProcessSpec, log_tail, signal_group, spawn


class Failed(Exception):
    """It did not end well: its last line says why, where it had one."""


async def run_confined(spec: ProcessSpec, timeout_s: float) -> None:
    """Until it has ended; it never outlives this call, nor this process. Raises Failed."""
    process = await spawn(spec)
    try:
        async with asyncio.timeout(timeout_s):
            code = await process.wait()
    except TimeoutError:
        raise Failed(f"{spec.name}: not done within {timeout_s:g} s") from None
    finally:
        if process.returncode is None:
            signal_group(process.pid, signal.SIGKILL)
            await process.wait()
    if code:
        why = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        said = log_tail(spec.log_file, 0).splitlines()
        raise Failed(": ".join([spec.name, why, *said[-1:]]))
