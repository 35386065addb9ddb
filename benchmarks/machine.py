"""Edge: this machine. Seconds of CPU, of one process and of everybody else; memory; what OpenSSL signs here and now."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

CORES: Final = os.cpu_count() or 1
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LOUD: Final = 0.05


def insist() -> None:
    """End with a sentence where the figures could not be had."""
    if not Path("/proc/self/stat").exists():
        sys.exit("make bench reads CPU and memory from /proc, so it runs on Linux only")


def say(words: str) -> None:
    """Tell whoever waits what is going on."""
    print(words, file=sys.stderr, flush=True)


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process has used, without its children's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_of(pid: int) -> float:
    """Return the memory that a process holds now, in MB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def peak_of(pid: int) -> float:
    """Return the most memory that a process itself has held so far, in MB; its children are not in it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def busy() -> float:
    """Return the seconds for which the cores of this machine have been busy since it started."""
    fields = [int(one) for one in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / _TICKS


class Watch:
    """A stretch of time, and how much of the machine others used in it."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self._busy = busy()
        self._own = time.process_time()

    def seconds(self) -> float:
        """Return how long it has been."""
        return time.perf_counter() - self.began

    def foreign(self, counted: float) -> float:
        """Return the share of the machine that went to others than us; `counted` are the seconds we know about."""
        others = busy() - self._busy - counted - (time.process_time() - self._own)
        return max(0.0, others) / max(self.seconds(), 1e-6) / CORES


def loud(foreign: float) -> str:
    """Say so where others were at work."""
    return f"{foreign:.0%} of the machine was busy with other work" if foreign >= _LOUD else ""


def rsa_signs(seconds: int, *, cores: int = 1) -> float | None:
    """Return how many RSA-2048 signatures a second OpenSSL makes now, on so many cores; None where it is not here."""
    program = shutil.which("openssl")
    if program is None:
        return None
    command = [program, "speed", "-seconds", str(seconds), *(["-multi", str(cores)] if cores > 1 else []), "rsa2048"]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"^rsa\s+2048 bits\s+\S+\s+\S+\s+([\d.]+)", told.stdout, re.MULTILINE)
    return float(found[1]) if found else None


def program(name: str) -> str | None:
    """Find a program, also where only root's path has it."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
