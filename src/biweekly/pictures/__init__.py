"""Edge: door. Pictures: made fit for mail at intake, kept by the hash of their bytes."""

from biweekly.pictures.intake import Taken, take_in
from biweekly.pictures.store import PictureStore

__all__ = ["PictureStore", "Taken", "take_in"]
