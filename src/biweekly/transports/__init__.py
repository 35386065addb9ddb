"""Edge: sockets, TLS and filesystem. Where letters go: the configured relay, or the built-in mailbox."""

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from biweekly.config import RelayConfig
from biweekly.contracts import Transport
from biweekly.errors import ConfigError
from biweekly.transports.mailbox import open_mailbox
from biweekly.transports.smtp import open_smtp
from biweekly.transports.wire import Timeouts

TRANSPORTS: Final[Mapping[str, Callable[..., Coroutine[Any, Any, Transport]]]] = {
    "smtp": open_smtp,
    "mailbox": open_mailbox,
}


async def open_transport(
    relay: RelayConfig | None,
    *,
    root: Path,
    mailbox: Path,
    ehlo_name: str | None = None,
    timeouts: Timeouts | None = None,
) -> Transport:
    """Open a transport to the relay, or into the mailbox where no relay is configured.

    `root` is the publication's folder, against which ca_file and password_file are read. Bound to its arguments with
    functools.partial it is a `contracts.OpenTransport`. Raises what `open_smtp` raises, and ConfigError
    `password-unreadable`.
    """
    if relay is None:
        return await TRANSPORTS["mailbox"](mailbox)
    if relay.ca_file is not None:
        relay = relay.model_copy(update={"ca_file": str(root / relay.ca_file)})
    return await TRANSPORTS["smtp"](
        relay, password=read_password(relay, root=root), ehlo_name=ehlo_name, timeouts=timeouts or Timeouts()
    )


def read_password(relay: RelayConfig, *, root: Path) -> str | None:
    """Read the relay's password from the first line of its file; None where the relay has no user.

    ConfigError `password-unreadable` where the file is missing, empty or no text.
    """
    if relay.password_file is None:
        return None
    path = root / relay.password_file
    try:
        password = path.read_text("utf-8-sig").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(
            f"the password cannot be read: {cause}", code="password-unreadable", key="relay.password_file",
            place=str(path), hint="put the password on the first line of that file",
        ) from None  # fmt: skip
    if not password:
        raise ConfigError(
            "the password is empty", code="password-unreadable", key="relay.password_file", place=str(path),
            hint="put the password on the first line of that file",
        )  # fmt: skip
    return password
