"""Letters a second, beside others that do the same: unsigned, signed, and to a relay that is 20 ms away."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Final

from benchmarks import clients, machine
from benchmarks.clients import Contender, Run, costs, interleave, rates
from benchmarks.sizes import Size
from benchmarks.table import Row, per_second, ratio
from benchmarks.workshop import CONNECTIONS, Plan, Workshop

_LATENCY_MS: Final = 20


def unsigned(shop: Workshop, size: Size) -> Iterator[Row]:
    """Whole letters into the sink, claims and outcomes at synchronous=FULL."""
    plan = Plan(size.unsigned)
    letter = clients.ready_letter(shop, plan)
    kilobytes = f"{letter.stat().st_size / 1000:.0f} KB"
    absent: list[str] = []
    contenders = _present(
        {
            "ours": clients.ours(shop, plan),
            "smtp-source": clients.smtp_source(shop, size.source, letter.stat().st_size - 150),
            "smtplib": clients.peer(shop, "smtplib", letter, size.peer, connections=1),
            "aiosmtplib": clients.peer(shop, "aiosmtplib", letter, size.peer),
            "nodemailer": clients.nodemailer(shop, letter, size.peer // 2),
        },
        absent,
    )
    runs = interleave(size.rounds, contenders)
    ours = runs.pop("ours")
    what, marks = f"letters/s, unsigned, {kilobytes}", {"smtp-source": (0.6, 1.0)}
    yield from _beside(what, ours, runs, marks)
    yield from _not_here(what, absent)
    yield Row("  one letter of ours", threads_of(ours), note=costs(ours=ours, **_underscored(runs)))


def signed(shop: Workshop, size: Size) -> Iterator[Row]:
    """The same with RSA-2048 signatures."""
    yield from _signed(shop, size, ("rsa",), "letters/s, RSA-2048")


def signed_twice(shop: Workshop, size: Size) -> Iterator[Row]:
    """The same with RSA-2048 and Ed25519 signatures."""
    yield from _signed(shop, size, ("rsa", "ed25519"), "letters/s, RSA-2048 and Ed25519")


def _signed(shop: Workshop, size: Size, keys: Sequence[str], what: str) -> Iterator[Row]:
    plan = Plan(size.signed, sign=keys)
    letter, key = clients.ready_letter(shop, plan), shop.model(plan) / "var" / "bench.pem"
    signs: list[float | None] = []
    all_at_once: list[float | None] = []

    def ours() -> Run:
        # Of the same minute: this machine signs at another speed in the next.
        signs.append(machine.rsa_signs(size.openssl_seconds))
        all_at_once.append(machine.rsa_signs(size.openssl_seconds, cores=machine.CORES))
        return clients.ours(shop, plan)()

    absent: list[str] = []
    contenders = _present(
        {
            "ours": ours,
            "smtplib + dkimpy": clients.peer(shop, "smtplib", letter, size.slow_peer, connections=1, key=key),
            "nodemailer + DKIM": clients.nodemailer(shop, letter, size.peer // 4, key=key),
        },
        absent,
    )
    runs = interleave(size.rounds, contenders)
    mine = runs.pop("ours")
    possible = [one * machine.CORES for one in signs if one is not None]
    together = [one for one in all_at_once if one is not None]
    if len(possible) == len(together) == len(mine):
        yield Row(
            what, per_second(rates(mine)), f"openssl speed, {machine.CORES} cores {per_second(possible)}",
            ratio(rates(mine), possible), floor=0.40, goal=0.55,
            note=f"openssl on all cores at once, beside whatever else ran: {per_second(together)},"
            f" of which we did {ratio(rates(mine), together):.2f}",
        )  # fmt: skip
    else:
        yield Row(what, per_second(rates(mine)), "openssl: not here")
    yield from _beside(what, mine, runs, {})
    yield from _not_here(what, absent)
    yield Row("  one letter of ours", threads_of(mine), note=costs(ours=mine, **_underscored(runs)))


def far(shop: Workshop, size: Size) -> Iterator[Row]:
    """A relay whose every reply takes 20 ms, by DATA and by BDAT."""
    if not shop.sinks.own:
        yield Row(f"letters/s, relay {_LATENCY_MS} ms away", "", "needs a C compiler: not here")
        return
    letter = clients.ready_letter(shop, Plan(0))
    runs = interleave(
        min(2, size.rounds),
        {
            "DATA": clients.ours(shop, Plan(size.far // 3), latency_ms=_LATENCY_MS, chunking=False),
            "BDAT": clients.ours(shop, Plan(size.far), latency_ms=_LATENCY_MS),
            "smtplib": clients.peer(
                shop, "smtplib", letter, size.far_peer, connections=CONNECTIONS, latency_ms=_LATENCY_MS
            ),
        },
    )
    peers = runs.pop("smtplib")
    for way, (floor, goal) in {"DATA": (3.0, 3.8), "BDAT": (6.0, 10.0)}.items():
        yield Row(
            f"letters/s, relay {_LATENCY_MS} ms away, {way}", per_second(rates(runs[way])),
            f"smtplib, {CONNECTIONS} threads {per_second(rates(peers))}", ratio(rates(runs[way]), rates(peers)),
            floor=floor, goal=goal,
        )  # fmt: skip
    yield Row("  one letter of ours", "", note=costs(DATA=runs["DATA"], BDAT=runs["BDAT"], smtplib=peers))


# --- small steps -----------------------------------------------------------------------------------------------------


def _present(contenders: Mapping[str, Contender | None], absent: list[str]) -> dict[str, Contender]:
    absent += [name for name, one in contenders.items() if one is None]
    return {name: one for name, one in contenders.items() if one is not None}


def _beside(
    what: str, ours: Sequence[Run], runs: Mapping[str, Sequence[Run]], marks: Mapping[str, tuple[float, float]]
) -> Iterator[Row]:
    for name, theirs in runs.items():
        floor, goal = marks.get(name, (None, None))
        yield Row(
            what, per_second(rates(ours)), f"{name} {per_second(rates(theirs))}", ratio(rates(ours), rates(theirs)),
            floor=floor, goal=goal,
        )  # fmt: skip


def _not_here(what: str, absent: Sequence[str]) -> Iterator[Row]:
    for name in absent:
        yield Row(what, "", f"{name}: not here")


def threads_of(runs: Sequence[Run]) -> str:
    """Say how the CPU of a letter is divided: the loop, the ledger's thread, the threads that sign. Microseconds."""
    names = {"MainThread": "loop", "ledger": "ledger", "scribe": "scribes"}
    parts = {
        short: median(run.told["threads"].get(long, 0.0) for run in runs) * 1000
        for long, short in names.items()
        if any(long in run.told["threads"] for run in runs)
    }
    return " + ".join(f"{short} {used:.0f}" for short, used in parts.items()) + " µs"


def _underscored(runs: Mapping[str, Sequence[Run]]) -> dict[str, Sequence[Run]]:
    return {name.replace(" ", "_"): one for name, one in runs.items()}
