"""Pure. The configuration: one TOML file as frozen models, read once and handed on in pieces.

Order, strongest first: flag, variable (`BIWEEKLY_RELAY__0__HOST`), config.toml, default. Unknown keys are errors that
name the nearest known one. Secrets are named by file, never written here.
"""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from biweekly import variables
from biweekly.errors import ConfigError
from biweekly.model.domain import ascii_domain, domain_of, is_within
from biweekly.model.issue import Form, Section

_UNITS = {
    "s": 1, "sec": 1, "second": 1, "seconds": 1, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hour": 3600,
    "hours": 3600, "d": 86400, "day": 86400, "days": 86400, "week": 604800, "weeks": 604800,
}  # fmt: skip
_LONGEST_S = 366 * 86400
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_duration(value: object) -> timedelta:
    """Read `"5 min"`, `"48 h"`, `"2 days"` or `"30 s"`; anything else is a ValueError that says so."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", value) if isinstance(value, str) else None
    if found is None or found[2] not in _UNITS:
        raise ValueError('a duration is a number and a unit, such as "5 min", "2 h" or "3 days"')
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > _LONGEST_S:
        raise ValueError("a duration of more than a year is surely a slip")
    return timedelta(seconds=seconds)


def parse_clock_time(value: object) -> time:
    """Read `"09:00"`; TOML's own local time is taken too."""
    if isinstance(value, time):
        return value
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('a time of day is written "09:00"')
    return time(int(found[1]), int(found[2]))


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
ClockTime = Annotated[time, BeforeValidator(parse_clock_time)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SectionConfig(_Part):
    """A section of the publication, in its place."""

    title: str = Field(min_length=1)
    form: Form = Form.LEAD
    required: bool = False


class PublicationConfig(_Part):
    """Who publishes: the words that stand in every issue."""

    name: str = Field(min_length=1)
    sender: str = Field(alias="from", min_length=3)
    reply_to: str = Field(min_length=3)
    language: str = "en"
    sections: tuple[SectionConfig, ...] = Field(min_length=1)
    postal_address: str = Field(min_length=1)
    public_url: str

    @field_validator("sections", mode="before")
    @classmethod
    def _title_alone_will_do(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple({"title": one} if isinstance(one, str) else one for one in value)
        return value

    @field_validator("public_url")
    @classmethod
    def _an_address_readers_can_open(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
            raise ValueError('the address under which readers reach the pages, such as "https://news.example.org"')
        return value.rstrip("/")

    @property
    def sender_domain(self) -> str:
        """The domain of `from`, in ASCII and lower case; empty where `from` is no address."""
        return domain_of(self.sender)

    def ordered_sections(self) -> tuple[Section, ...]:
        """Return the sections as the rest of the program knows them."""
        return tuple(Section(one.title, one.form, one.required) for one in self.sections)


class Cutoff(_Part):
    """A weekday and a time: what arrived by then is in the automatic issue."""

    weekday: int
    at: time


def _parse_cutoff(value: object) -> object:
    if isinstance(value, str):
        found = re.fullmatch(r"([A-Za-z]{3})\w*\s+(\d\d:\d\d)", value.strip())
        if found is None or found[1].lower() not in _WEEKDAYS:
            raise ValueError('a cut-off is a weekday and a time, such as "Tue 12:00"')
        return Cutoff(weekday=_WEEKDAYS.index(found[1].lower()), at=parse_clock_time(found[2]))
    return value


class ScheduleConfig(_Part):
    """The rhythm. `anchor` is the date of one issue: it fixes the weekday and the phase of the fortnight."""

    anchor: date
    every_weeks: int = Field(default=2, ge=1, le=52)
    at: ClockTime = time(9)
    timezone: str
    cutoff: Annotated[Cutoff, BeforeValidator(_parse_cutoff)] = Cutoff(weekday=1, at=time(12))
    late_limit: Duration = timedelta(hours=2)
    cooling_off: Duration = timedelta(minutes=5)
    quiet_hours: tuple[ClockTime, ClockTime] | None = None
    automatic: bool = False

    @field_validator("timezone")
    @classmethod
    def _a_known_place(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f'"{value}" is no time zone; write a place such as "Europe/Stockholm"') from None
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The publication's own time zone."""
        return ZoneInfo(self.timezone)


class WorkflowConfig(_Part):
    """How many people other than the last editor must approve. Only 0 is known yet."""

    approvals: int = 0

    @field_validator("approvals")
    @classmethod
    def _none_yet(cls, value: int) -> int:
        if value:
            raise ValueError("only 0 is known to this release")
        return value


class RelayConfig(_Part):
    """The server that takes the letters. There is no default: an empty configuration never mails anybody."""

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    tls: Literal["implicit", "starttls", "none"]
    user: str | None = None
    password_file: str | None = None
    token_file: str | None = None
    token_command: tuple[str, ...] | None = Field(default=None, min_length=1)
    ca_file: str | None = None
    connections: int = Field(default=4, ge=1, le=200)
    rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    warm_up_from: date | None = None
    warm_up_letters: int = Field(default=1_000, ge=1)

    @property
    def name(self) -> str:
        """What it goes by in rows, figures and errors."""
        return f"{self.host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        """Whether letters to it stay on this machine."""
        return is_loopback(self.host)

    @model_validator(mode="after")
    def _no_secret_in_the_clear(self) -> Self:
        if self.tls == "none" and not self.on_loopback:
            raise ValueError('tls = "none" is for a relay on this machine only; write "implicit" or "starttls"')
        secrets = [one for one in (self.password_file, self.token_file, self.token_command) if one is not None]
        if len(secrets) != (0 if self.user is None else 1):
            raise ValueError("user goes with one of password_file, token_file and token_command")
        return self


class DkimConfig(_Part):
    """Who signs the letters (RFC 6376). Without the table they leave unsigned, and signing is the relay's affair."""

    domain: str
    selector: str
    key_file: str = Field(min_length=1)
    ed25519_selector: str | None = None
    ed25519_key_file: str | None = Field(default=None, min_length=1)

    @field_validator("domain")
    @classmethod
    def _a_domain(cls, value: str) -> str:
        made = ascii_domain(value)
        if "." not in made:
            raise ValueError('the domain that signs, such as "review.example"')
        return made

    @field_validator("selector", "ed25519_selector")
    @classmethod
    def _a_selector(cls, value: str | None) -> str | None:
        if value is not None and (not value or ascii_domain(value) != value.lower()):
            raise ValueError('a selector is letters, digits and hyphens, such as "bw202611"')
        return value

    @model_validator(mode="after")
    def _a_key_for_each_selector(self) -> Self:
        if (self.ed25519_selector is None) != (self.ed25519_key_file is None):
            raise ValueError("ed25519_selector and ed25519_key_file go together")
        if self.ed25519_selector is not None and self.ed25519_selector.lower() == self.selector.lower():
            raise ValueError("each key needs a selector of its own")
        return self


class DeliveryConfig(_Part):
    """How letters are claimed and retried."""

    batch: int = Field(default=100, ge=1, le=200)
    retry: tuple[Duration, ...] = tuple(timedelta(minutes=m) for m in (5, 10, 20, 40, 67))
    give_up_after: Duration = timedelta(hours=48)
    per_lane: Mapping[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    seeds: tuple[str, ...] = ()
    canary: float = Field(default=0.0, ge=0, le=0.5)
    canary_wait: Duration = timedelta(minutes=10)

    @field_validator("retry")
    @classmethod
    def _some_wait(cls, value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        if not value or min(value) <= timedelta(0):
            raise ValueError('the waits between tries, such as ["5 min", "10 min", "20 min"]; the last one repeats')
        return value


class BouncesConfig(_Part):
    """Where bounces go. With `verp`, each letter gets an envelope sender of its own."""

    address: str | None = None
    verp: bool = True


class DatabaseConfig(_Part):
    """Where people and outcomes are kept; SQLite inside var/ unless a URL is given."""

    url: str | None = None


class WebConfig(_Part):
    """Where `serve` listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535)
    metrics_port: int | None = Field(default=None, ge=0, le=65535)


class Config(_Part):
    """The whole configuration. With no relay, mail goes to the built-in mailbox."""

    publication: PublicationConfig
    schedule: ScheduleConfig | None = None
    workflow: WorkflowConfig = WorkflowConfig()
    relay: tuple[RelayConfig, ...] = ()
    dkim: DkimConfig | None = None
    delivery: DeliveryConfig = DeliveryConfig()
    bounces: BouncesConfig = BouncesConfig()
    database: DatabaseConfig = DatabaseConfig()
    web: WebConfig = WebConfig()

    @field_validator("dkim")
    @classmethod
    def _signed_for_the_sender(cls, value: DkimConfig | None, info: ValidationInfo) -> DkimConfig | None:
        publication = info.data.get("publication")
        if value is not None and isinstance(publication, PublicationConfig):
            sender = publication.sender_domain
            if not is_within(sender, value.domain):
                raise ValueError(
                    f"{value.domain} is neither the domain of publication.from ({sender or 'none'}) nor above it, and a"
                    " signature of another domain counts for nothing"
                )
        return value


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine and nothing else: localhost or a loopback address. Asks no DNS."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_config(text: str, *, environ: Mapping[str, str], place: str = "config.toml") -> Config:
    """Read a configuration.

    Raises ConfigError: `config-syntax` where it is no TOML; `unknown-key`, `missing-key` or `bad-value` with the key,
    and as place the line of the file or the name of the variable.
    """
    try:
        tree = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        raise ConfigError(
            f"not valid TOML: {error}", code="config-syntax", place=f"{place}:{line[1]}" if line else place,
            hint="texts and durations stand in quotes, lists in [brackets], a table's name alone on its line",
        ) from error  # fmt: skip
    laid = variables.lay_over(tree, environ)
    try:
        return Config.model_validate(tree, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _explain(error, text, place, laid) from error


def _explain(error: ValidationError, text: str, place: str, laid: Mapping[tuple[str, ...], str]) -> ConfigError:
    """Turn the first thing that is wrong into a sentence with a line and a cure."""
    faults = error.errors()
    # A misspelt key is also a missing one; the spelling is the better news.
    first = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    path = [str(step) for step in first["loc"]]
    key = ".".join(path)
    variable = next((name for set_by, name in laid.items() if tuple(path[: len(set_by)]) == set_by), None)
    where = variable or _place_of(path, text, place)
    match first["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(path[-1], _known_keys(path[:-1]), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "docs/configuration.md lists every key"
            return ConfigError(f"unknown key {key}", code="unknown-key", key=key, place=where, hint=hint)
        case "missing":
            return ConfigError(
                f"{key} is needed and not set", code="missing-key", key=key, place=place,
                hint="config.example.toml shows every key with a comment",
            )  # fmt: skip
        case _:
            cause = first["msg"].removeprefix("Value error, ")
    return ConfigError(
        f"{key}: {cause}", code="bad-value", key=key, place=where, hint="docs/configuration.md says what it may be"
    )


def _known_keys(path: list[str]) -> list[str]:
    model: Any = Config
    for step in path:
        if step.isdigit():
            continue
        field = next((f for n, f in model.model_fields.items() if step in (n, f.alias)), None)
        inner = (
            [a for a in _flatten(field.annotation) if isinstance(a, type) and issubclass(a, BaseModel)] if field else []
        )
        if not inner:
            return []
        model = inner[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _flatten(annotation: Any) -> list[Any]:
    args = getattr(annotation, "__args__", ())
    return [annotation, *(leaf for arg in args for leaf in _flatten(arg))]


def _place_of(path: list[str], text: str, place: str) -> str:
    """Find the line that sets the key: the first `key =` after its table's heading, as far as text alone tells."""
    names = [step for step in path if not step.isdigit()]
    if not names:
        return place
    heading = re.compile(rf"^\s*\[+\s*{re.escape(names[0])}\s*\]+")
    setting = re.compile(rf"^\s*{re.escape(names[-1])}\s*=")
    inside = len(names) == 1
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*\[", line):
            inside = bool(heading.match(line))
            if inside and len(names) == 1:
                return f"{place}:{number}"
        elif inside and setting.match(line):
            return f"{place}:{number}"
    return place
