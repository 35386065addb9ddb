"""OpenDKIM as a judge of signatures: its own test mode, with DNS answers from a file. No daemon, no network."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import pytest

_PATH: Final = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
_VERDICT: Final = re.compile(r"^\s+dkim=(\w+)\b.*\bheader\.s=([^\s;]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class OpenDkim:
    """Judges messages; made by `over`."""

    folder: Path

    @classmethod
    def over(cls, folder: Path, records: Mapping[str, str]) -> Self:
        """Prepare a folder of its own. `records` are TXT records by name. Skips by name where OpenDKIM is missing."""
        if shutil.which("opendkim", path=_PATH) is None:
            pytest.skip("OpenDKIM is missing")
        folder.mkdir()
        zone = "".join(f"{name} {text}\n" for name, text in records.items())
        (folder / "zone").write_text(zone, encoding="ascii")
        (folder / "opendkim.conf").write_text(f"Mode v\nSyslog no\nTestDNSData {folder / 'zone'}\n")
        return cls(folder)

    def verdicts(self, message: bytes) -> dict[str, bool]:
        """Say of each signature, by its selector, whether it holds."""
        letter = self.folder / "letter.eml"
        letter.write_bytes(message)
        # Said thrice, -v shows the Authentication-Results field, which has a word for every signature.
        program = shutil.which("opendkim", path=_PATH) or "opendkim"
        told = subprocess.run(
            [program, "-x", self.folder / "opendkim.conf", "-vvv", "-t", letter],
            capture_output=True, text=True, check=False, env={**os.environ, "PATH": _PATH},
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        return {selector: word == "pass" for word, selector in _VERDICT.findall(told.stdout)}
