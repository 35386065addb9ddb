"""Edge: sockets, TLS and filesystem. Where letters go: the configured relay, or the built-in mailbox."""

import asyncio
import subprocess
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from biweekly.config import RelayConfig
from biweekly.contracts import Ear, Transport
from biweekly.errors import ConfigError
from biweekly.transports.mailbox import open_mailbox
from biweekly.transports.sasl import Login
from biweekly.transports.smtp import open_smtp
from biweekly.transports.wire import Timeouts

_TOKEN_WITHIN: Final = 30.0  # seconds

TRANSPORTS: Final[Mapping[str, Callable[..., Coroutine[Any, Any, Transport]]]] = {
    "smtp": open_smtp,
    "mailbox": open_mailbox,
}


async def open_transport(
    relay: RelayConfig | None,
    ear: Ear,
    *,
    root: Path,
    mailbox: Path,
    ehlo_name: str | None = None,
    timeouts: Timeouts | None = None,
) -> Transport:
    """Open a transport to the relay, or into the mailbox where no relay is configured.

    `root` is the publication's folder, where the files that [[relay]] names are. Bound to its arguments it is a
    `contracts.OpenTransport`. Raises what `open_smtp` and `read_login` raise.
    """
    if relay is None:
        return await TRANSPORTS["mailbox"](mailbox, ear)
    if relay.ca_file is not None:
        relay = relay.model_copy(update={"ca_file": str(root / relay.ca_file)})
    return await TRANSPORTS["smtp"](
        relay,
        ear,
        login=await asyncio.to_thread(read_login, relay, root=root),
        ehlo_name=ehlo_name,
        timeouts=timeouts or Timeouts(),
    )


def read_login(relay: RelayConfig, *, root: Path) -> Login | None:
    """Read what the relay is logged in to with, anew for each connection; None where it has no user.

    A password or a token is the first line of its file, or the first line that `token_command` prints: tokens live for
    an hour, so a command that fetches one is run as it is, in the publication's folder, without a shell and with
    nothing to read. ConfigError `password-unreadable` or `token-unavailable`.
    """
    if relay.user is None:
        return None
    if relay.token_file is not None:
        return Login(relay.user, token=_secret(root / relay.token_file, key="relay.token_file"))
    if relay.token_command is not None:
        return Login(relay.user, token=_fetched(relay.token_command, root=root))
    return Login(relay.user, _secret(root / (relay.password_file or ""), key="relay.password_file"))


def _secret(path: Path, *, key: str) -> str:
    try:
        secret = path.read_text("utf-8-sig").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise _no_secret(f"cannot be read: {cause}", path, key=key) from None
    if key == "relay.token_file":
        secret = secret.strip()
    if not secret:
        raise _no_secret("is empty", path, key=key)
    return secret


def _no_secret(why: str, path: Path, *, key: str) -> ConfigError:
    if key == "relay.token_file":
        return ConfigError(
            f"the token {why}", code="token-unavailable", key=key, place=str(path),
            hint="put the token on the first line of that file",
        )  # fmt: skip
    return ConfigError(
        f"the password {why}", code="password-unreadable", key=key, place=str(path),
        hint="put the password on the first line of that file",
    )  # fmt: skip


def _fetched(command: tuple[str, ...], *, root: Path) -> str:
    def unavailable(why: str) -> ConfigError:
        return ConfigError(
            f"no token came from {command[0]}: {why}", code="token-unavailable", key="relay.token_command",
            hint="run the command by hand and look at its first line",
        )  # fmt: skip

    try:
        ran = subprocess.run(
            command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TOKEN_WITHIN, check=False
        )
    except subprocess.TimeoutExpired:
        raise unavailable(f"it took longer than {_TOKEN_WITHIN:g} s") from None
    except (OSError, ValueError) as error:
        raise unavailable(getattr(error, "strerror", None) or "it cannot be run") from None
    # Its output holds the token and is never shown.
    token = ran.stdout.partition(b"\n")[0].strip().decode("utf-8", "replace")
    if ran.returncode or not token:
        raise unavailable(f"it ended with exit code {ran.returncode}" if ran.returncode else "it printed nothing")
    return token
