"""A process of its own, and everything that it and its children say."""

import queue
import re
import subprocess
import threading
from typing import Any, Final

PATIENCE: Final = 60.0  # seconds, for a machine that is busy with other tests


class Overheard:
    """A process whose standard output is listened to line by line, from a thread."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def hear(self, pattern: str) -> "re.Match[str]":
        """Listen until a line matches."""
        while True:
            line = self._lines.get(timeout=PATIENCE)
            assert line is not None, f"nobody said {pattern}: {self.said}"
            self.said.append(line)
            if (found := re.search(pattern, line)) is not None:
                return found

    def end(self) -> int:
        """Hear it out, also those who outlive it, and return its exit code."""
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self.said.append(line)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
