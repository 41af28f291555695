"""Global Trade Item Numbers (GTIN): the number under a product's barcode. Pure: no Django.

Source: GS1 General Specifications, section 7.9, "Check digit calculations".
"""

from typing import Final

LENGTHS: Final = (8, 12, 13, 14)
LONGEST: Final = 14


class NotAGtin(ValueError):
    """A text is no GTIN; the message says why."""


def gtin14(text: str) -> str:
    """Return a GTIN-8, -12, -13 or -14 as 14 digits, with zeros in front: a number that is the same however written.

    Raises:
        NotAGtin: other signs than digits, another length, or a check digit that does not fit.
    """
    if not (text.isascii() and text.isdigit()) or len(text) not in LENGTHS:
        raise NotAGtin(f"{text!r} is no GTIN: give the 8, 12, 13 or 14 digits under the barcode.")
    digits = text.zfill(LONGEST)
    expected = check_digit(digits[:-1])
    if digits[-1] != expected:
        raise NotAGtin(f"{text!r} is no GTIN: after these digits the last is {expected}. Look for a slip.")
    return digits


def check_digit(body: str) -> str:
    """Return the digit that makes the sum of all, those at odd places from the right counted thrice, end in 0.

    Args:
        body: the digits before the check digit.
    """
    total = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(body)))
    return str(-total % 10)
