"""Edge: door. From an issue to its edition: lay out, fill the template, compile, inline, freeze."""

from biweekly.render.edition import render_edition
from biweekly.render.frozen import from_json, seal, to_json
from biweekly.render.inline import inline
from biweekly.render.mjml import compile_mjml

__all__ = ["compile_mjml", "from_json", "inline", "render_edition", "seal", "to_json"]
