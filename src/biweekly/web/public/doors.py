"""Pure. What the public pages may do in the world: nothing but this."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from biweekly.model.mailing import MailingId
from biweekly.model.subscriber import Subscriber, SubscriberId
from biweekly.tokens import Signer


@dataclass(frozen=True, slots=True)
class PublicDoors:
    """The ways from the pages to the rest; each is called from a thread and may block.

    `reader` looks a person up by number. `leave` takes a person off the list and may be called any number of times;
    its last argument says by which way (`one-click` or `unsubscribe page`). `edition_page` gives the web version at an
    address, `picture` the file of a picture; both None where there is none. `public_url` is where readers reach these
    pages.
    """

    publication: str
    public_url: str
    signer: Signer
    reader: Callable[[SubscriberId], Subscriber | None]
    leave: Callable[[SubscriberId, MailingId, str], bool]
    edition_page: Callable[[str], str | None]
    picture: Callable[[str], Path | None]
