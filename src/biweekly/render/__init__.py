"""Edge: door. From an issue to its edition: lay out, fill the template, compile, inline, freeze."""

from biweekly.render.edition import render_edition
from biweekly.render.inline import inline
from biweekly.render.mjml import compile_mjml

__all__ = ["compile_mjml", "inline", "render_edition"]
