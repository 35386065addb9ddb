"""Edge: filesystem. The sample publication: the manuscripts, people and configuration that come with the program."""

import re
import shutil
from pathlib import Path
from typing import Final

import tomlkit

from biweekly.errors import ConfigError
from biweekly.publication import CONFIG_NAME, data_root

ROSTER: Final = Path("subscribers") / "sample.csv"
_RECEIVED: Final = re.compile(r"^received = .*\n", re.MULTILINE)


def lay_out(folder: Path, *, public_url: str) -> None:
    """Lay the sample publication out in an empty folder, as if its manuscripts had just come in.

    `public_url` is where its letters' links lead. Raises ConfigError `folder-unwritable`.
    """
    samples = data_root()
    try:
        shutil.copytree(samples / "reports", folder / "reports", dirs_exist_ok=True)
        for manuscript in (folder / "reports").glob("*.md"):
            # The day they came in is today's, whenever that is: what came in long ago is no news.
            manuscript.write_text(_RECEIVED.sub("", manuscript.read_text("utf-8"), count=1), "utf-8")
        (folder / ROSTER).parent.mkdir(exist_ok=True)
        shutil.copy(samples / ROSTER, folder / ROSTER)
        settings = tomlkit.parse((samples / "config.example.toml").read_text("utf-8"))
        settings["publication"]["public_url"] = public_url
        (folder / CONFIG_NAME).write_text(tomlkit.dumps(settings), "utf-8")
    except OSError as error:
        raise ConfigError(
            f"the sample publication cannot be laid out: {error.strerror}", code="folder-unwritable",
            place=str(folder), hint="make room, or name another place with TMPDIR",
        ) from error  # fmt: skip
