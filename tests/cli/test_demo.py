"""The demo, as it is typed."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

COMMAND = [sys.executable, "-m", "biweekly", "demo"]
SUM = "accepted 20 + waiting 1 + failed 1 + uncertain 0 + skipped 0 + to go 0 = 22 planned"


def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "LANG": "C.UTF-8"}


def test_once_tells_the_whole_story_ends_with_the_sum_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ran = subprocess.run(
        [*COMMAND, "--once"], env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.splitlines()[-1] == SUM
    for said in ("25 rows: 22 let in, 3 refused", "line 13: editor@@example.org", "under embargo", "95% of 22"):
        assert said in ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_it_shows_the_issue_and_the_mail_until_ctrl_c_and_its_links_work(tmp_path: Path) -> None:
    with subprocess.Popen(
        COMMAND, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        try:
            issue = re.search(r"http://127\.0\.0\.1:\d+/i/\S+", "".join(said))
            mailbox = re.search(r"http://127\.0\.0\.1:\d+/mailbox", "".join(said))
            assert issue
            assert mailbox
            assert "A Second Track" in fetch(issue[0])
            assert "20 letters" in fetch(mailbox[0])
            letter = fetch(f"{mailbox[0]}/4/mail")
            leave = re.search(r'href="(http://127\.0\.0\.1:\d+/u/[^"]+)"', letter)
            assert leave
            assert "<form" in fetch(leave[1])
        finally:
            process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    assert "Everything is still in" in rest
    folder = next(tmp_path.glob("biweekly-demo-*"))
    assert (folder / "var" / "biweekly.db").is_file()


def fetch(address: str) -> str:
    return httpx.get(address, timeout=20).raise_for_status().text
