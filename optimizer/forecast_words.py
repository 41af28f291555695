"""Segments of series and methods of forecasters in plain words."""

from typing import Final

SEGMENT_WORDS: Final = {
    "smooth": "smooth: sells often, in like amounts",
    "erratic": "erratic: sells often, in varying amounts",
    "intermittent": "intermittent: sells now and then, in like amounts",
    "lumpy": "lumpy: sells now and then, in varying amounts",
    "cold start": "new: too little history",
    "all": "all",
}
METHOD_WORDS: Final = {
    "transformer": "transformer",
    "lstm": "LSTM",
    "lightgbm": "LightGBM",
    "seasonal_naive": "seasonal naive",
    "average": "network and LightGBM",
    "served": "served",
}


def segment_words(name: str) -> str:
    return SEGMENT_WORDS.get(name, name.replace("_", " "))


def method_words(name: str) -> str:
    return METHOD_WORDS.get(name, name.replace("_", " "))
