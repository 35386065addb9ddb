"""Pure. What may stand in a mail: characters that survive every client, addresses that every client opens."""

import re
from typing import Final
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

# C0 but tab and line feed, DEL and C1 (Gmail clips a mail that holds them), lone surrogates, noncharacters.
_UNFIT: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
_LINE_END: Final = re.compile("\r\n?|\x85|\u2028|\u2029")
_SCHEMES: Final = frozenset({"http", "https"})
_KEPT: Final = "/:@!$&'()*+,;=~-._?%"


def clean(text: str) -> str:
    """Drop what no mail may hold; line ends become line feeds. Every other character stays as it was written."""
    return _UNFIT.sub("", _LINE_END.sub("\n", text))


def one_line(text: str) -> str:
    """Clean a text that stands on one line, such as a title: blanks, tabs and line ends become single spaces.

    No-break spaces stay.
    """
    return re.sub("[ \t\n]+", " ", clean(text)).strip(" ")


def clean_url(url: str, *, base: str | None = None) -> str | None:
    """Return an address as a mail may hold it: absolute, ASCII, host in A-labels (RFC 5890), or None.

    A relative address needs `base`. Only http, https and mailto pass; user and password never do.
    """
    text = re.sub(r"\s+", " ", clean(url)).strip()
    if text.lower().startswith("mailto:"):
        return _mailto(text[7:])
    if text.startswith("//"):
        text = f"https:{text}"
    try:
        if base is not None and not text.startswith("#"):
            text = urljoin(base, text)
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in _SCHEMES or not host:
        return None
    name = _host(host)
    if name is None:
        return None
    return urlunsplit((
        parts.scheme.lower(),
        name if port is None else f"{name}:{port}",
        _quoted(parts.path),
        _quoted(parts.query),
        _quoted(parts.fragment),
    ))  # fmt: skip


def host_of(url: str) -> str:
    """Return the host of an address for people to read, without `www.`; A-labels are shown as letters."""
    import idna

    host = (urlsplit(url).hostname or "").removeprefix("www.")
    try:
        return idna.decode(host)
    except (idna.IDNAError, UnicodeError):
        return host


def _host(host: str) -> str | None:
    if ":" in host:
        return f"[{host}]"
    if host.isascii():
        return host if re.fullmatch(r"[a-z0-9._-]+", host) else None
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None


def _mailto(rest: str) -> str | None:
    address, _, query = rest.partition("?")
    if "@" not in address:
        return None
    return f"mailto:{_quoted(address)}" + (f"?{_quoted(query)}" if query else "")


def _quoted(part: str) -> str:
    """Percent-encode what is not ASCII or would break an attribute; a stray percent sign is encoded too."""
    return re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", quote(part, safe=_KEPT))
