"""Conduct. Look at what the DNS says of the sender's domains: DKIM, SPF, DMARC, MX."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from biweekly.dkim import SigningKey, dns_record, record_name, zone_line
from biweekly.model.issue import Finding, Level, Result
from biweekly.model.look import Look, Standing, look, look_at
from biweekly.sender import dkim_record, dmarc, spf
from biweekly.sender.answer import Ask, Judgement, Outcome, unknown


@dataclass(frozen=True, slots=True)
class Sender:
    """The domains a letter shows, in ASCII and lower case: of From, of the envelope, of Reply-To, and who signs."""

    domain: str
    bounce_domain: str
    reply_domain: str
    signs: str | None = None
    keys: Sequence[SigningKey] = ()


def examine(sender: Sender, ask: Ask) -> Iterator[Look]:
    """Look at every record that carries the sender's letters. Asks, and changes nothing."""
    yield from _signatures(sender, ask)
    envelope = spf.judge(sender.bounce_domain, ask)
    yield from _record(
        "spf", envelope, place=sender.bounce_domain,
        cure=f"publish one TXT record at {sender.bounce_domain}, such as v=spf1 include:<your relay's> ~all",
    )  # fmt: skip
    policy = dmarc.find(sender.domain, ask)
    yield from _record(
        "dmarc", policy.judgement, place=sender.domain,
        cure=f'publish one TXT record at _dmarc.{sender.domain}, such as "v=DMARC1; p=none"',
    )  # fmt: skip
    if policy.judgement.standing is Standing.EXISTS:
        yield _alignment(sender, policy)
    yield from _mail(sender, ask)


def _signatures(sender: Sender, ask: Ask) -> Iterator[Look]:
    if sender.signs is None:
        said = "no [dkim]: biweekly does not sign, and whether the relay does cannot be seen from here"
        yield Look(Finding("dkim", Level.INFO, Result.NOT_RUN, "dkim", said))
        return
    for key in sender.keys:
        name = record_name(key.selector, sender.signs)
        judged = dkim_record.judge(name, ask(name, "TXT"), key)
        yield from _record("dkim", judged, place=name, cure=f"publish {zone_line(name, dns_record(key.key))}")
        if key.weak:
            yield look(
                "dkim-key", "an RSA key of less than 2,048 bits", place=name, level=Level.WARN, ok=False,
                cure="biweekly dkim keygen",
            )  # fmt: skip


def _alignment(sender: Sender, policy: dmarc.Policy) -> Look:
    """DMARC passes where SPF or DKIM passes for a domain that counts as the author's."""
    by_envelope = policy.aligned(sender.bounce_domain, sender.domain, mode="aspf")
    by_signature = sender.signs is not None and policy.aligned(sender.signs, sender.domain, mode="adkim")
    if by_envelope and (by_signature or sender.signs is None):
        return look("alignment", f"all domains count as {sender.domain}", place=sender.domain)
    if by_envelope or by_signature:
        stray, left = (sender.signs, "SPF") if by_envelope else (sender.bounce_domain, "DKIM")
        return look(
            "alignment", f"{stray} does not count as {sender.domain}, so only {left} carries DMARC",
            place=sender.domain, level=Level.WARN, ok=False,
            cure=f"use a domain of {sender.domain} there, or take aspf=s and adkim=s out of the DMARC record",
        )  # fmt: skip
    if sender.signs is None:
        return look(
            "alignment", f"{sender.bounce_domain} does not count as {sender.domain}: DMARC passes only if the relay"
            " signs for it", place=sender.domain, level=Level.WARN, ok=False,
            cure="biweekly dkim keygen, or a bounces.address in the domain of from",
        )  # fmt: skip
    return look(
        "alignment", f"neither {sender.bounce_domain} nor {sender.signs} counts as {sender.domain}, so DMARC fails",
        place=sender.domain, ok=False, cure=f"sign for {sender.domain} itself",
    )  # fmt: skip


def _mail(sender: Sender, ask: Ask) -> Iterator[Look]:
    """Every domain that a letter shows must take mail: answers, bounces, and the checks of receivers."""
    uses: dict[str, list[str]] = {}
    for use, domain in (
        ("from", sender.domain), ("bounces", sender.bounce_domain), ("reply_to", sender.reply_domain)
    ):  # fmt: skip
        uses.setdefault(domain, []).append(use)
    for domain, used in uses.items():
        judged = _takes_mail(domain, ask)
        yield from _record(
            "mx", judged, place=f"{domain} ({', '.join(used)})",
            cure=f"publish an MX record for {domain}, or use a domain that takes mail",
        )  # fmt: skip


def _takes_mail(domain: str, ask: Ask) -> Judgement:
    answer = ask(domain, "MX")
    if not answer.known:
        return unknown(domain, "MX", answer)
    hosts = sorted(
        (int(rank), host.removesuffix(".")) for rank, _, host in (one.partition(" ") for one in answer.records)
    )
    if not hosts:
        return _without_mx(domain, ask)
    if all(host == "" for _, host in hosts):
        return Judgement(Standing.WRONG, f"{domain} says that it takes no mail (a null MX, RFC 7505)")
    judged = [_address(host, ask) for _, host in hosts]
    if any(one.standing is Standing.EXISTS for one in judged):
        return Judgement(Standing.EXISTS, f"mail for {domain} goes to {hosts[0][1]}")
    doubt = next((one for one in judged if one.standing is Standing.UNKNOWN), None)
    return doubt or Judgement(Standing.WRONG, f"none of the MX hosts of {domain} has an address ({hosts[0][1]})")


def _without_mx(domain: str, ask: Ask) -> Judgement:
    """Without an MX record, mail goes to the domain's own address (RFC 5321 section 5.1)."""
    fallback = _address(domain, ask)
    if fallback.standing is Standing.EXISTS:
        said = f"{domain} has no MX record, and mail goes to its address"
        return Judgement(Standing.EXISTS, said, (f"{said}; many receivers mistrust that",))
    if fallback.standing is Standing.MISSING:
        return Judgement(Standing.MISSING, f"{domain} takes no mail: it has neither an MX record nor an address")
    return fallback


def _address(host: str, ask: Ask) -> Judgement:
    answers = [(kind, ask(host, kind)) for kind in ("A", "AAAA")]
    if any(answer.outcome is Outcome.FOUND for _, answer in answers):
        return Judgement(Standing.EXISTS, f"{host} has an address")
    for kind, answer in answers:
        if not answer.known:
            return unknown(host, kind, answer)
    return Judgement(Standing.MISSING, f"{host} has no address")


def _record(what: str, judged: Judgement, *, place: str, cure: str) -> Iterator[Look]:
    yield look_at(what, judged.standing, judged.message, place=place, cure=cure)
    for remark in judged.remarks:
        yield look(f"{what}-remark", remark, place=place, level=Level.WARN, ok=False, cure="change the record")
