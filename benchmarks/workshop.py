"""Edge: filesystem, processes. Throwaway publications: an issue of 85 KB a letter, invented readers, a relay."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import machine
from benchmarks.sinks import Sink, Sinks

CONNECTIONS: Final = 10
_TEXT: Final = (
    "the of and a to in is that it was for on are as with they at be this from have or by one had not but what all "
    "were when we there can an which their said if do will each about how up out them then many some so these would "
    "other into has more two see time could no make than first been its who now people over did down only way find "
    "water long little very after words called just where most know pass border lorry tea onion wool railway tariff "
    "ministry budget harvest shepherd vineyard ferry station notebook Kerbent Chilik-Ata Kazakhstan Şamaxı naïve "
    "“quoted” café résumé election parliament customs gorge snow invoice"
)
_WORDS: Final = tuple(_TEXT.split())
REPORTS: Final = 15


@dataclass(frozen=True, slots=True)
class Plan:
    """What a publication is like. `sign` names the keys that sign: "rsa", "ed25519". `words` is that of each report."""

    readers: int
    sign: Sequence[str] = ()
    reports: int = REPORTS
    words: int = 220
    domains: Sequence[str] = ()


class Workshop:
    """Makes publications below a folder, each plan once, and copies of them to mail from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sinks = Sinks(folder)
        self._copies = 0
        self._made: dict[str, Path] = {}

    def publication(self, plan: Plan, sink: Sink | None = None, *, relay: str = "", more: str = "") -> Path:
        """Return a new copy of the publication of a plan, with a relay where there is a sink.

        `relay` adds lines to its table, `more` further tables.
        """
        self._copies += 1
        root = self.folder / f"copy-{self._copies}"
        shutil.copytree(self.model(plan), root)
        with (root / "config.toml").open("a") as config:
            if sink is not None:
                words = relay if "tls" in relay else f'{relay}\ntls = "none"'
                config.write(f'\n[[relay]]\nhost = "127.0.0.1"\nport = {sink.port}\n')
                config.write(f"connections = {CONNECTIONS}\n{words}\n")
            config.write(more)
        return root

    def model(self, plan: Plan) -> Path:
        """Return the publication of a plan itself: composed, with its readers imported."""
        kept = self._made.get(repr(plan))
        if kept is None:
            kept = self._made[repr(plan)] = self._make(plan)
        return kept

    def _make(self, plan: Plan) -> Path:
        root = self._composed(plan)
        made = self.folder / f"model-{len(self._made)}"
        shutil.copytree(root, made)
        if plan.sign:
            with (made / "config.toml").open("a") as config:
                config.write(_keys(made, plan.sign))
        if plan.readers:
            roster = made / "subscribers" / "readers.csv"
            write_roster(roster, plan.readers, plan.domains or [f"d{n}.example" for n in range(40)])
            biweekly(made, "subscribers", "import", str(roster), "--apply")
        return made

    def _composed(self, plan: Plan) -> Path:
        key = f"composed {plan.reports} {plan.words}"
        if key not in self._made:
            root = self.folder / f"composed-{plan.reports}-{plan.words}"
            _run([sys.executable, "-m", "biweekly", "init", str(root), "--no-input"])
            _write_reports(root, plan.reports, plan.words)
            biweekly(root, "issue", "compose")
            self._made[key] = root
        return self._made[key]

    def clear(self, root: Path) -> None:
        """Remove a copy that is not needed any more."""
        shutil.rmtree(root, ignore_errors=True)


def issue_of(root: Path) -> str:
    """Return the issue of a publication that has one."""
    return next(folder.name for folder in (root / "issues").iterdir() if folder.is_dir())


def biweekly(root: Path, *words: str) -> str:
    """Run a command in a publication and return what it printed."""
    return _run([sys.executable, "-m", "biweekly", "-C", str(root), *words])


def _run(command: Sequence[str]) -> str:
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    if told.returncode:
        sys.exit(f"{' '.join(command)} ended with {told.returncode}:\n{told.stderr}")
    return told.stdout


def environment(**more: str) -> Mapping[str, str]:
    """Return the environment for a child that imports from the benchmarks as well."""
    return {**os.environ, **more}


def write_roster(path: Path, readers: int, domains: Sequence[str]) -> None:
    """Write invented readers in shuffled order: sorted input flatters the database."""
    numbers = list(range(1, readers + 1))
    random.Random(7).shuffle(numbers)  # noqa: S311 - the same order every time
    with path.open("w") as file:
        file.write("email,name\n")
        file.writelines(f"reader{n}@{domains[n % len(domains)]},Reader {n}\n" for n in numbers)


def _keys(root: Path, kinds: Iterable[str]) -> str:
    (root / "var").mkdir(exist_ok=True)
    biweekly(root, "dkim", "keygen", "--selector", "bench", "--out", str(root / "var" / "bench.pem"))
    lines = ["", "[dkim]", 'domain = "review.example"', 'selector = "bench"', 'key_file = "var/bench.pem"']
    if "ed25519" in kinds:
        second = str(root / "var" / "benche.pem")
        biweekly(root, "dkim", "keygen", "--ed25519", "--selector", "benche", "--out", second)
        lines += ['ed25519_selector = "benche"', 'ed25519_key_file = "var/benche.pem"']
    return "\n".join(lines) + "\n"


def _write_reports(root: Path, reports: int, words: int) -> None:
    dice = random.Random(11)  # noqa: S311 - the same words every time
    for number in range(reports):
        title = " ".join(dice.choices(_WORDS, k=6)).capitalize()
        paragraphs = [" ".join(dice.choices(_WORDS, k=20)).capitalize() + "." for _ in range(max(1, words // 20))]
        links = "See [the record](https://review.example/notes) of that day.\n"
        text = "\n\n".join(paragraphs)
        front = f'+++\ntitle = "{title}"\nauthors = ["Invented Author"]\nsection = "Field Reports"\n'
        front += f'published = 2026-11-{number % 20 + 1:02}\nreceived = 2026-11-20T10:00:00Z\nform = "full"\n+++\n\n'
        path = root / "reports" / f"2026-11-{number % 20 + 1:02}-invented-{number}.md"
        path.write_text(f"{front}{text}\n\n{links}")


def checked(condition: object, what: str) -> None:
    """End the run, with a sentence, where something does not work."""
    if not condition:
        machine.say(f"make bench: {what}")
        sys.exit(1)
