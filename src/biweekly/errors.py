"""Pure. The error tree: what should not happen, each with a code, a place, a cause and a cure.

What the other side may lawfully answer is a value, not an exception: a 550 is a `Reply`, a vanished relay an error.

```
BiweeklyError
├─ UsageError            the command was called wrongly                        exit 2
├─ ConfigError           configuration or environment                          exit 3
├─ StoreError            the database                                          exit 3
├─ ReportError           a report cannot be read                               exit 1
├─ IssueError            an issue.toml or sent.toml cannot be used             exit 1
├─ RenderError           a template or the compiler                            exit 1
├─ RosterError           a list of subscribers cannot be read                  exit 1
├─ AddressError          also a ValueError: not an address that can be mailed  exit 1
├─ NothingToDo           nothing ready to compose, no such thing               exit 1
├─ TokenError            a signed link that is not ours, or not for this       exit 1
├─ Refused               a safety rule says no                                 exit 4
├─ StoppedPartWay        safe to resume                                        exit 5
└─ TransportError        no reply exists                                       exit 75
   ├─ RelayUnavailable   nothing was handed over: safe to try again
   └─ DeliveryInDoubt    the message left, the answer did not come
```
"""

from typing import ClassVar


def _as_it_was(kind: type["BiweeklyError"], told: tuple[object, ...], facts: dict[str, object]) -> "BiweeklyError":
    error = kind.__new__(kind, *told)
    error.args = told
    error.__dict__.update(facts)
    return error


class BiweeklyError(Exception):
    """Something a person can act on.

    `code` is kebab-case and documented in docs/errors.md; `place` is `file:line` or the name of a thing; the message
    is the cause, in the other side's words where it has any; `hint` is one command or one change that helps.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, code: str, place: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.place = place
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Go whole from one process to another."""
        return _as_it_was, (type(self), self.args, dict(self.__dict__))


class UsageError(BiweeklyError):
    """The command was called wrongly."""

    exit_code = 2


class ConfigError(BiweeklyError):
    """The configuration or the environment does not allow this; `key` names the setting where there is one."""

    exit_code = 3

    def __init__(
        self, message: str, *, code: str, key: str | None = None, place: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code, place=place, hint=hint)
        self.key = key


class StoreError(BiweeklyError):
    """The database cannot be opened, is of another age, or refused a write."""

    exit_code = 3


class ReportError(BiweeklyError):
    """A report cannot be read; it is set aside and the others go on."""

    def __init__(self, message: str, *, code: str, name: str, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, code=code, place=f"{name}:{line}" if line else name, hint=hint)
        self.name = name
        self.line = line


class IssueError(BiweeklyError):
    """An issue's file cannot be used as it stands; `place` is its file and line."""


class RenderError(BiweeklyError):
    """A template, the MJML compiler or the inliner refused; nothing was rendered."""

    def __init__(
        self, message: str, *, code: str, template: str, line: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code, place=f"{template}:{line}" if line else template, hint=hint)
        self.template = template
        self.line = line


class RosterError(BiweeklyError):
    """A list of subscribers cannot be read at all; single rows that are wrong are values, not errors."""


class AddressError(BiweeklyError, ValueError):
    """Not an address that a letter can be sent to."""


class NothingToDo(BiweeklyError):
    """There is nothing here to work on: no ready report, no such issue."""


class TokenError(BiweeklyError):
    """A signed link that is forged, cut, or meant for another purpose."""


class Refused(BiweeklyError):
    """A safety rule says no: already sent, the count changed, another sender is at work."""

    exit_code = 4


class StoppedPartWay(BiweeklyError):
    """Stopped before the end; resuming is safe."""

    exit_code = 5


class TransportError(BiweeklyError):
    """No reply exists."""

    exit_code = 75


class RelayUnavailable(TransportError):
    """Nothing was handed over: it is safe to try again."""


class DeliveryInDoubt(TransportError):
    """The message left and the answer did not come: it may have arrived (RFC 1047)."""
