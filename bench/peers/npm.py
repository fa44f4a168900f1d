"""What peers on Node need, installed into their folders when a suite asks for it."""

import shutil
import subprocess
from pathlib import Path

INSTALL = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
INSTALL_S = 120.0


def install(folder: Path) -> str | None:
    """Why it cannot be played against, None if it can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not installed"
    try:
        done = subprocess.run(
            INSTALL, check=False, capture_output=True, text=True, cwd=folder, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired:
        return f"npm install took more than {INSTALL_S:.0f} s"
    return None if done.returncode == 0 else f"npm install: {done.stderr.strip()[:200]}"
