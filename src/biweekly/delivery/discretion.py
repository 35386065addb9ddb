"""Pure. What is kept of a relay's words: everything but the addresses that relays like to repeat in them."""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"""[^\s<>()\[\],;:"'\\]*@[^\s<>()\[\],;:"'\\]+""")


def without_addresses(words: str, *, reader: str = "", subscriber: int | None = None) -> str:
    """Return the words with every address taken out, so that erasing a person leaves none behind.

    The `reader`'s own, however it is spelt, becomes the subscriber's number; any other, such as the mailbox that the
    reader's mail is passed on to, becomes "(address)".
    """
    if "@" not in words:
        return words
    if reader and subscriber is not None:
        words = re.sub(re.escape(reader), f"subscriber {subscriber}", words, flags=re.IGNORECASE)
    return _ADDRESS.sub("(address)", words)
