"""Shell. The pages that a letter points to: leaving the list, the web version, the pictures.

Reading changes nothing: a GET, a HEAD or an OPTIONS, by whoever follows every link of every letter, is a page and no
more. There are no cookies, no sessions, no scripts and nothing from other hosts.
"""

from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from biweekly.errors import StoreError
from biweekly.web.guard import Guard
from biweekly.web.public import issues, leaving, lobby
from biweekly.web.public.doors import PublicDoors
from biweekly.web.public.guard import HEADERS

__all__: Final = ["PublicDoors", "public_app"]


def public_app(doors: PublicDoors) -> Starlette:
    """Build the application; what it may do in the world is what `doors` holds."""
    app = Starlette(
        routes=[
            Route("/", partial(lobby.front, doors), name="front"),
            Route("/u/{token}", partial(leaving.link, doors), methods=["GET", "POST"], name="leave"),
            Route("/w/{web_id}", partial(issues.page, doors), name="page"),
            Route("/m/{sha256}", partial(issues.picture, doors), name="picture"),
            Route("/style.css", lobby.style, name="style"),
            Route("/robots.txt", lobby.robots, name="robots"),
        ],
        middleware=[Middleware(Guard, headers=HEADERS)],
        exception_handlers={
            404: partial(lobby.lost, doors),
            405: partial(lobby.wrong_way, doors),
            StoreError: partial(lobby.closed, doors),
        },
    )
    # A redirect for a slash too many would break the rule that a one-click POST is never redirected.
    app.router.redirect_slashes = False
    return app
