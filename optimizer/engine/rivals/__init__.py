"""Rivals: which product their offers are of, how they answer our price changes, and the price that is best then."""

from .best_response import BestResponse, RivalMarket, best_response
from .matching import Match, Named, match_offers
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
    "Match",
    "Named",
    "Reactions",
    "RivalMarket",
    "RivalPanel",
    "RivalResponse",
    "best_response",
    "learn_response",
    "match_offers",
    "reactions",
]
