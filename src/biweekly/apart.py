"""Wiring. Rendering apart: in a process of its own, that takes its compilers and their memory away when it is done.

A sender lives for as long as its mailing; what rendered the issue need not. And whatever a compiler does to its
process, it does not do it to this one.
"""

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path

from biweekly.errors import RenderError
from biweekly.frozen import from_json, to_json
from biweekly.model.issue import Edition, Frozen, IssueId
from biweekly.publication import Publication, open_publication


def freeze(publication: Publication, issue: IssueId, now: datetime) -> tuple[Edition, Frozen]:
    """Render an issue in this very process, and freeze it."""
    from biweekly.newsroom import open_newsroom

    edition = open_newsroom(publication).render_issue(issue, now=now)
    return edition, (edition.sha256, edition.web_id, to_json(edition))


def freeze_apart(publication: Publication, issue: IssueId, now: datetime) -> tuple[Edition, Frozen]:
    """Render an issue in a child process, and freeze it.

    Raises what rendering raises; RenderError `renderer-died` where the child ended without a word.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_leave_ctrl_c_to_the_parent) as child:
        try:
            frozen = child.submit(_freeze, publication.root, dict(os.environ), issue, now).result()
        except BrokenProcessPool as error:
            raise RenderError(
                "the process that renders the issue was ended by the system", code="renderer-died",
                template="templates/issue.mjml.j2", hint="look for a lack of memory, then try again",
            ) from error  # fmt: skip
    return from_json(frozen[2]), frozen


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _freeze(root: Path, environ: dict[str, str], issue: IssueId, now: datetime) -> Frozen:
    return freeze(open_publication(root, environ=environ), issue, now)[1]
