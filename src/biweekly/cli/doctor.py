"""Shell. `doctor`: find what is wrong and say how to put it right. It looks and changes nothing."""

import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from biweekly.cli import speak
from biweekly.config import Config, RelayConfig, is_loopback
from biweekly.errors import BiweeklyError, UsageError
from biweekly.model.issue import Finding, Level, Result
from biweekly.model.look import Look, look
from biweekly.publication import Publication
from biweekly.variables import ENV_PREFIX

app = typer.Typer(add_completion=False)

_AREAS = ("config", "dns")
_TRY_AGAIN = 75
_KNOWN_VARIABLES = frozenset({"BIWEEKLY_DIR", "BIWEEKLY_TEST_PG", "BIWEEKLY_NO_SKIPS"})


@app.command()
def doctor(
    ctx: typer.Context,
    area: Annotated[str, typer.Argument(metavar="[config|dns]", help="What to look at.")] = "config",
    resolver: Annotated[
        str | None, typer.Option("--resolver", metavar="ADDR", help="dns: ask this name server, not the system's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Find what is wrong and say how to put it right; looks only, sends and changes nothing.

    `config` asks no network; `dns` asks for the records that carry the sender's letters. Exit code 0 where nothing
    stands in the way (warnings alone are 0), 1 where something does, 3 where config.toml cannot be read at all, 75
    where something could not be found out.

    Example: biweekly doctor config
    """
    if area not in _AREAS:
        raise UsageError(
            f"there is no area {area}", code="unknown-area", hint=f"biweekly doctor [{'|'.join(_AREAS)}]"
        )  # fmt: skip
    try:
        publication = ctx.obj.publication()
    except BiweeklyError as error:
        found = [look("config-loads", error.message, place=error.place or "", cure=error.hint or "", ok=False)]
        _print(found, area, as_json=as_json)
        raise typer.Exit(error.exit_code) from error
    if area == "dns":
        from biweekly.cli.doctor_dns import examine_dns

        found = list(examine_dns(publication, resolver=resolver))
    else:
        found = list(examine(publication, environ=os.environ, now=datetime.now(UTC)))
    _print(found, area, as_json=as_json)
    if any(one.finding.result is Result.FAIL and one.finding.level is Level.BLOCK for one in found):
        raise typer.Exit(1)
    if any(one.finding.result is Result.UNKNOWN for one in found):
        raise typer.Exit(_TRY_AGAIN)


def examine(publication: Publication, *, environ: Mapping[str, str], now: datetime) -> Iterator[Look]:
    """Look at everything a configuration can get wrong without asking the network."""
    config = publication.config
    yield look("config-loads", "every key is known and has a value that can be used", place="config.toml")
    yield from _variables(environ)
    yield from _identity(config)
    yield from _sections(config)
    yield from _rhythm(config, now)
    yield from _public_pages(config)
    for relay in config.relay:
        yield from _relay(relay, publication.root)
    if not config.relay:
        yield look("relay", "none: mail goes to the built-in mailbox and never leaves this machine", level=Level.INFO)
    yield from _signing(config, publication.root)
    yield from _database(publication)
    yield from _seeds(publication)
    yield from _folders(publication)


def _variables(environ: Mapping[str, str]) -> Iterator[Look]:
    stray = sorted(
        name
        for name in environ
        if name.startswith(ENV_PREFIX) and "__" not in name and name not in _KNOWN_VARIABLES
    )  # fmt: skip
    for name in stray:
        yield look(
            "variables", f"{name} is set and means nothing", place=name, level=Level.WARN, ok=False,
            cure="section and key are joined by two underscores, as in BIWEEKLY_WEB__PORT",
        )  # fmt: skip


def _identity(config: Config) -> Iterator[Look]:
    from email.utils import parseaddr

    from biweekly.audience.validate import Invalid, validate
    from biweekly.services.founding import placeholders_in

    addresses = {"publication.from": config.publication.sender, "publication.reply_to": config.publication.reply_to}
    if config.bounces.address is not None:
        addresses["bounces.address"] = config.bounces.address
    for key, written in addresses.items():
        judged = validate(parseaddr(written)[1])
        if isinstance(judged, Invalid):
            yield look("address", f"{written}: {judged.reason}", place=key, ok=False, cure="write name@your-domain")
    placeholders = placeholders_in(config)
    if not placeholders:
        yield look("identity", f"sent from {config.publication.sender}", place="publication.from")
        return
    leaves = not all(relay.on_loopback for relay in config.relay)
    yield look(
        "identity", f"{', '.join(placeholders)} {'is' if len(placeholders) == 1 else 'are'} still a placeholder",
        place=placeholders[0], ok=False, level=Level.BLOCK if leaves else Level.WARN,
        cure="write addresses of your own; with a placeholder nothing is sent through a real relay",
    )  # fmt: skip


def _sections(config: Config) -> Iterator[Look]:
    titles = [one.title.casefold() for one in config.publication.sections]
    twice = sorted({one.title for one in config.publication.sections if titles.count(one.title.casefold()) > 1})
    if twice:
        yield look(
            "sections", f"{twice[0]} is there more than once", place="publication.sections", ok=False,
            cure="give each section a title of its own",
        )  # fmt: skip


def _rhythm(config: Config, now: datetime) -> Iterator[Look]:
    if config.schedule is None:
        yield look("schedule", "none: nothing is composed or mailed by itself", level=Level.INFO)
        return
    schedule = config.schedule
    weeks = "every week" if schedule.every_weeks == 1 else f"every {schedule.every_weeks} weeks"
    yield look(
        "schedule",
        f"{weeks} on a {schedule.anchor:%A} at {schedule.at:%H:%M}, {schedule.timezone}"
        f" (now {now.astimezone(schedule.zone):%H:%M} there)",
        place="schedule",
    )
    if schedule.timezone.startswith("Etc/") and schedule.timezone not in {"Etc/UTC", "Etc/UCT"}:
        yield look(
            "time-zone", f"{schedule.timezone} is an offset and knows no summer time", place="schedule.timezone",
            level=Level.WARN, ok=False, cure='write a place, such as "Europe/Stockholm"',
        )  # fmt: skip


def _public_pages(config: Config) -> Iterator[Look]:
    from urllib.parse import urlsplit

    url = config.publication.public_url
    local = is_loopback(urlsplit(url).hostname or "")
    leaves = not all(relay.on_loopback for relay in config.relay)
    if local and leaves:
        yield look(
            "public-url", f"{url} is this machine, where readers cannot unsubscribe", place="publication.public_url",
            ok=False, cure="write the https address under which readers reach biweekly serve",
        )  # fmt: skip
    elif not local and not url.startswith("https:"):
        yield look(
            "public-url", f"{url} is not https, which one-click unsubscribe demands (RFC 8058)",
            place="publication.public_url", ok=False, cure="put a web server with TLS in front and write https://",
        )  # fmt: skip
    else:
        yield look("public-url", f"{url}{' (this machine only)' if local else ''}", place="publication.public_url")
    if not is_loopback(config.web.host):
        yield look(
            "web-host", f"serve listens on {config.web.host} without TLS", place="web.host", level=Level.WARN, ok=False,
            cure='write host = "127.0.0.1" and put a web server with TLS in front',
        )  # fmt: skip


def _relay(relay: RelayConfig, root: Path) -> Iterator[Look]:
    yield look("relay", f"{relay.host}:{relay.port}, tls {relay.tls}", place="relay")
    if relay.user is None and not relay.on_loopback:
        yield look(
            "relay-login", "no user: the relay must know this machine by its address", place="relay",
            level=Level.WARN, ok=False, cure="set user and password_file where the relay asks for them",
        )  # fmt: skip
    if relay.ca_file is not None and not (root / relay.ca_file).is_file():
        yield look("relay-ca-file", f"{relay.ca_file} is not there", place="relay.ca_file", ok=False,
                    cure="name a file of certificates in PEM form, or take the key away")  # fmt: skip
    if relay.password_file is not None or relay.token_file is not None:
        yield _password(relay, root)


def _password(relay: RelayConfig, root: Path) -> Look:
    from biweekly.transports import read_login

    path = root / (relay.password_file or relay.token_file or "")
    try:
        read_login(relay, root=root)
    except BiweeklyError as error:
        return look("password", error.message, place=str(path), ok=False, cure=error.hint or "")
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return look(
            "password", "other users of this machine can read it", place=str(path), ok=False, cure=f"chmod 600 {path}"
        )
    return look("password", "there, and closed to others", place=str(path))


def _signing(config: Config, root: Path) -> Iterator[Look]:
    if config.dkim is None:
        yield look("dkim", "no [dkim]: letters leave unsigned, and the relay has to sign them", level=Level.INFO)
        return
    from biweekly.signing_keys import key_files, read_key

    for file in key_files(config.dkim):
        try:
            key = read_key(file, root=root)
        except BiweeklyError as error:
            yield look("dkim", error.message, place=file.path, ok=False, cure=error.hint or "")
            continue
        if key.weak:
            yield look(
                "dkim", "an RSA key of less than 2,048 bits", place=file.path, level=Level.WARN, ok=False,
                cure="biweekly dkim keygen",
            )  # fmt: skip
        else:
            yield look("dkim", f"{config.dkim.domain} signs with {file.selector}, {key.algorithm}", place=file.path)


def _database(publication: Publication) -> Iterator[Look]:
    from biweekly.store import open_database

    url = publication.config.database.url
    if url is None:
        yield look("database", "SQLite in var/biweekly.db")
        return
    try:
        engine = open_database(url)
    except BiweeklyError as error:
        yield look("database", error.message, place="database.url", ok=False, cure=error.hint or "see docs/running.md")
        return
    shown = engine.url.render_as_string(hide_password=True)
    if engine.url.password:
        yield look(
            "database", f"{shown}: a password stands in the URL", place="database.url", level=Level.WARN, ok=False,
            cure="keep it in ~/.pgpass, or set BIWEEKLY_DATABASE__URL where the service starts",
        )  # fmt: skip
    else:
        yield look("database", shown, place="database.url")
    engine.dispose()


def _seeds(publication: Publication) -> Iterator[Look]:
    """Say which seeds would get nothing, because nobody on the list has that address."""
    seeds = publication.config.delivery.seeds
    home, url = publication.root / "var" / "biweekly.db", publication.config.database.url
    if not seeds or (url is None and not home.exists()):
        return
    try:
        missing = _not_mailable(publication, url or f"sqlite:///{home}", seeds)
    except BiweeklyError:
        return  # what is wrong with the database was said above
    for seed in missing:
        yield look(
            "seeds", f"{seed} is nobody who would be mailed", place="delivery.seeds", level=Level.WARN, ok=False,
            cure=f"biweekly subscribers add {seed}",
        )  # fmt: skip


def _not_mailable(publication: Publication, url: str, seeds: Sequence[str]) -> list[str]:
    from biweekly.audience.validate import Invalid, validate
    from biweekly.model.subscriber import Standing
    from biweekly.store import open_database
    from biweekly.store.migrations import HEAD, version
    from biweekly.store.people import KEY_PURPOSE, People

    engine = open_database(url)
    try:
        if version(engine) != HEAD:
            return []
        people = People(engine, key=publication.key(KEY_PURPOSE))
        found = {seed: None if isinstance(one := validate(seed), Invalid) else people.find(one) for seed in seeds}
        return [seed for seed, person in found.items() if person is None or person.standing is not Standing.ACTIVE]
    finally:
        engine.dispose()


def _folders(publication: Publication) -> Iterator[Look]:
    for name in ("reports", "issues"):
        if not (publication.root / name).is_dir():
            yield look("folders", f"{name}/ is not there yet", place=name, level=Level.INFO)
    var = publication.root / "var"
    home = var if var.exists() else publication.root
    if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
        yield look("var", "cannot be written to", place=str(home), ok=False, cure=f"chown {_user()} {home}")
        return
    yield look("var", "can be written to", place=str(home))
    secret = var / "secret"
    if os.name == "posix" and secret.exists() and secret.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield look("secret", "other users of this machine can read it", place=str(secret), ok=False,
                    cure=f"chmod 600 {secret}")  # fmt: skip


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "USER"


def _print(found: list[Look], area: str, *, as_json: bool) -> None:
    if as_json:
        rows = [
            {"id": one.finding.id, "level": one.finding.level, "result": one.finding.result,
             "place": one.finding.place, "message": one.finding.message, "cure": one.cure}
            | ({"standing": one.standing} if one.standing else {})
            for one in found
        ]  # fmt: skip
        speak.show_json("doctor", {"area": area, "findings": rows})
        return
    for one in found:
        place = f" ({one.finding.place})" if one.finding.place and one.finding.result is Result.FAIL else ""
        speak.show(f"{_sign(one.finding)} {one.finding.id}: {one.finding.message}{place}")
        if one.cure:
            speak.show(f"    cure: {one.cure}")
    crosses = sum(one.finding.result is Result.FAIL and one.finding.level is Level.BLOCK for one in found)
    warnings = sum(one.finding.result is Result.FAIL and one.finding.level is Level.WARN for one in found)
    unknown = sum(one.finding.result is Result.UNKNOWN for one in found)
    more = f", {_count(unknown, 'thing')} that could not be found out" if unknown else ""
    speak.say(f"{_count(crosses, 'thing')} to put right, {_count(warnings, 'warning')}{more}.")


def _sign(finding: Finding) -> str:
    drawn = (sys.stdout.encoding or "").lower().startswith("utf")
    match finding.result:
        case Result.PASS:
            return "✓" if drawn else "ok"
        case Result.UNKNOWN:
            return "?"
        case Result.NOT_RUN:
            return "-"
    if finding.level is Level.BLOCK:
        return "✗" if drawn else "FAIL"
    return "!" if drawn else "warn"


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
