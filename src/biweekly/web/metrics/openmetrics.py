"""Pure. The OpenMetrics text format 1.0: families of samples as the lines that a monitor reads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number and the labels that tell it from its sisters."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Family:
    """Samples of one name. With a `unit` the name must end in it; a counter's samples end in `_total` by themselves."""

    name: str
    kind: Literal["gauge", "counter", "info"]
    help: str
    samples: Sequence[Sample]
    unit: str = ""


_SUFFIX: Final = {"gauge": "", "counter": "_total", "info": "_info"}


def write(families: Iterable[Family]) -> str:
    """Write families; those without a sample are left out, and the end is marked, so that half a page is no page."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines.append(f"# TYPE {family.name} {family.kind}")
        if family.unit:
            lines.append(f"# UNIT {family.name} {family.unit}")
        lines.append(f"# HELP {family.name} {_escaped(family.help)}")
        lines += [f"{family.name}{_SUFFIX[family.kind]}{_labels(one.labels)} {_number(one.value)}"
                  for one in family.samples]  # fmt: skip
    return "\n".join([*lines, "# EOF", ""])


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
