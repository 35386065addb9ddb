"""Edge: filesystem. A publication is a folder: where it is, what stands where in it, its secret."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from biweekly.config import Config, parse_config
from biweekly.contracts import Environ
from biweekly.errors import ConfigError, RenderError

CONFIG_NAME: Final = "config.toml"
_SECRET_BYTES: Final = 32


def data_root() -> Path:
    """The folder of built-in templates and samples: in the wheel, or the repository of an editable install."""
    here = Path(__file__).resolve().parent
    packed = here / "_data"
    if packed.is_dir():
        return packed
    repository = here.parent.parent
    if (repository / "pyproject.toml").is_file():
        return repository
    raise ConfigError(
        "the built-in templates are missing from this installation", code="installation-broken", place=str(here),
        hint="install biweekly again",
    )  # fmt: skip


@dataclass(frozen=True)
class Publication:
    """An opened publication folder."""

    root: Path
    config: Config

    @property
    def newsletter(self) -> str:
        """The key under which the database keeps this publication's mailings."""
        return "main"

    @property
    def reports(self) -> Path:
        """The manuscripts."""
        return self.root / "reports"

    @property
    def issues(self) -> Path:
        """One folder for each issue."""
        return self.root / "issues"

    @property
    def subscribers(self) -> Path:
        """The rosters as they came in."""
        return self.root / "subscribers"

    @property
    def var(self) -> Path:
        """What the program writes for itself; made on first use, closed to others."""
        return _private(self.root / "var")

    @property
    def logs(self) -> Path:
        """One JSON-lines log for each issue."""
        return _private(self.var / "logs")

    @property
    def journal(self) -> Path:
        """The senders' journals."""
        return _private(self.var / "journal")

    @property
    def media(self) -> Path:
        """Pictures by the hash of their bytes."""
        return _private(self.var / "media")

    @property
    def mailbox(self) -> Path:
        """What the built-in mailbox caught."""
        return _private(self.var / "mailbox")

    @property
    def database_url(self) -> str:
        """Where people and outcomes are kept, as SQLAlchemy writes it."""
        return self.config.database.url or f"sqlite:///{self.var / 'biweekly.db'}"

    @cached_property
    def secret(self) -> bytes:
        """32 random bytes in var/secret, made once, readable by the owner only. Every key is derived from it."""
        path = self.var / "secret"
        try:
            return _secret_in(path)
        except FileNotFoundError:
            made = secrets.token_bytes(_SECRET_BYTES)
            draft = path.with_name(f"secret.{os.getpid()}.{secrets.token_hex(4)}")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(made.hex())
                file.flush()
                os.fsync(file.fileno())
            try:
                # A link fails where another process was first, and then that one's secret counts.
                os.link(draft, path)
            except FileExistsError:
                made = _secret_in(path)
            finally:
                draft.unlink()
            return made

    def key(self, purpose: str) -> bytes:
        """Derive a key for one purpose: HMAC-SHA-256 of its name under the secret."""
        return hmac.digest(self.secret, purpose.encode(), hashlib.sha256)

    def template(self, name: str) -> tuple[str, str]:
        """Return a template's text and its path for messages; the publication's own file wins over the built-in."""
        for folder in (self.root / "templates", data_root() / "templates"):
            path = folder / name
            if path.is_file():
                own = path.is_relative_to(self.root)
                return path.read_text("utf-8"), str(path.relative_to(self.root)) if own else f"templates/{name}"
        raise RenderError("there is no such template", code="template-missing", template=f"templates/{name}")


def find_root(start: Path) -> Path:
    """Find the publication at or above a folder; ConfigError `no-publication` where there is none."""
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder
    raise ConfigError(
        f"there is no {CONFIG_NAME} here or above", code="no-publication", place=str(start), hint="biweekly init"
    )


def open_publication(folder: Path, *, environ: Environ) -> Publication:
    """Read the configuration of the publication in this very folder."""
    path = folder / CONFIG_NAME
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no {CONFIG_NAME}", code="no-publication", place=str(folder), hint="biweekly init"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot be read: {error}", code="config-unreadable", place=str(path),
            hint="save it as UTF-8, readable by the user biweekly runs as",
        ) from error  # fmt: skip
    return Publication(folder.resolve(), parse_config(text, environ=environ, place=CONFIG_NAME))


def _secret_in(path: Path) -> bytes:
    try:
        found = bytes.fromhex(path.read_text("ascii"))
    except ValueError:
        found = b""
    if len(found) != _SECRET_BYTES:
        raise ConfigError(
            "the secret is not 64 hexadecimal digits; links in letters already sent depend on it",
            code="secret-broken", place=str(path), hint="put the file back from a backup",
        )  # fmt: skip
    return found


def _private(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot be made: {error.strerror}", code="folder-unwritable", place=str(folder),
            hint="give the publication a folder that its user may write to",
        ) from error  # fmt: skip
    return folder
