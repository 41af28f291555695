"""Rivals: how they answer our price changes, and the price that is best when they do."""

from .best_response import BestResponse, RivalMarket, best_response
from .panel import RivalPanel
from .reactions import CUT, FOLLOW, IGNORE, RAISE, REACTIONS, UNDERCUT, Reactions, reactions
from .response import RivalResponse, learn_response

__all__ = [
    "CUT",
    "FOLLOW",
    "IGNORE",
    "RAISE",
    "REACTIONS",
    "UNDERCUT",
    "BestResponse",
    "Reactions",
    "RivalMarket",
    "RivalPanel",
    "RivalResponse",
    "best_response",
    "learn_response",
    "reactions",
]
