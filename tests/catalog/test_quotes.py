import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import jwt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from catalog.quotes import MAX_TOKEN_LENGTH, Purpose, Quote, QuoteKeys, TamperedQuote, key_id, read_quote, sign_quote

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
KEYS = QuoteKeys(("first-secret-" + "a" * 32, "second-secret-" + "b" * 32))
QUOTE = Quote(
    quote_id="q-1",
    sku="85123A",
    channel="web",
    region="london",
    purpose=Purpose.PAGE,
    price=Decimal("10.50"),
    currency="GBP",
    version=7,
    decision_id="42",
    issued_at=NOW,
    expires_at=NOW + timedelta(minutes=30),
)
TOKEN = sign_quote(QUOTE, KEYS)

SPELLINGS = st.characters(codec="utf-8") | st.sampled_from(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n"
)
PRICES = st.decimals("0.01", "99999.99", places=2)
TIMES = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=64)
QUOTES = st.builds(
    Quote,
    quote_id=TEXTS,
    sku=TEXTS,
    channel=TEXTS,
    region=st.none() | TEXTS,
    purpose=st.sampled_from(Purpose),
    price=PRICES,
    currency=st.sampled_from(["GBP", "JPY"]),
    version=st.integers(0, 2**63 - 1),
    decision_id=st.none() | TEXTS,
    issued_at=TIMES,
    expires_at=TIMES,
)
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=32, max_size=64)


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def decoded(segment: str) -> dict:
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def token_of(header: dict, claims: object, secret: str = KEYS.secrets[0], algorithm: str = "sha256") -> str:
    """Sign by hand, as one could who held the key."""
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{signed}.{encoded(hmac.digest(secret.encode(), signed.encode(), algorithm))}"


def signed_claims(**changes: object) -> str:
    """Return a token signed with our key whose claims differ from the quote's; None takes one out."""
    claims = decoded(TOKEN.split(".")[1]) | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return token_of({"alg": "HS256", "typ": "JWT", "kid": key_id(KEYS.secrets[0])}, kept)


@given(quote=QUOTES)
def test_a_token_is_read_back_as_the_quote_that_was_signed(quote):
    token = sign_quote(quote, KEYS)
    assert len(token) <= MAX_TOKEN_LENGTH
    assert read_quote(token, KEYS) == quote


def test_any_jwt_library_can_read_a_token():
    header, claims, signature = TOKEN.split(".")
    assert decoded(header) == {"alg": "HS256", "typ": "JWT", "kid": key_id(KEYS.secrets[0])}
    assert decoded(claims) == {
        "iss": "pricing",
        "aud": "pricing:quotes",
        "iat": 1795608000,
        "exp": 1795609800,
        "jti": "q-1",
        "sku": "85123A",
        "channel": "web",
        "region": "london",
        "purpose": "page",
        "price": "10.50",
        "currency": "GBP",
        "version": 7,
        "decision_id": "42",
    }
    expected = hmac.digest(KEYS.secrets[0].encode(), f"{header}.{claims}".encode(), hashlib.sha256)
    assert signature == encoded(expected)


@given(position=st.integers(0, len(TOKEN) - 1), character=SPELLINGS)
def test_a_token_with_one_other_character_is_tampered(position, character):
    assume(TOKEN[position] != character)
    with pytest.raises(TamperedQuote):
        read_quote(TOKEN[:position] + character + TOKEN[position + 1 :], KEYS)


@given(position=st.integers(0, len(TOKEN)), character=SPELLINGS)
def test_a_token_with_one_character_more_is_tampered(position, character):
    with pytest.raises(TamperedQuote):
        read_quote(TOKEN[:position] + character + TOKEN[position:], KEYS)


@pytest.mark.parametrize("position", range(len(TOKEN)))
def test_a_token_that_was_cut_off_is_tampered(position):
    with pytest.raises(TamperedQuote):
        read_quote(TOKEN[:position], KEYS)


def test_the_unused_bits_of_the_last_character_are_not_free():
    """43 characters hold 258 bits, a signature has 256: four spellings decode to the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    read = []
    for last in alphabet:
        try:
            read.append(read_quote(TOKEN[:-1] + last, KEYS))
        except TamperedQuote:
            continue
    assert read == [QUOTE]


@given(text=st.text())
def test_any_other_text_is_tampered(text):
    with pytest.raises(TamperedQuote):
        read_quote(text, KEYS)


@pytest.mark.parametrize("suffix", ["=", "\n", " ", "\u200b", "\ud800"])
def test_what_lenient_decoders_skip_is_tampered(suffix):
    with pytest.raises(TamperedQuote):
        read_quote(TOKEN + suffix, KEYS)


@pytest.mark.parametrize(
    "token",
    [
        token_of({"alg": "none", "kid": key_id(KEYS.secrets[0])}, decoded(TOKEN.split(".")[1])),
        jwt.encode(decoded(TOKEN.split(".")[1]), None, algorithm="none"),
        token_of({"alg": "HS512", "kid": key_id(KEYS.secrets[0])}, decoded(TOKEN.split(".")[1]), algorithm="sha512"),
        token_of({"alg": "HS512", "kid": key_id(KEYS.secrets[0])}, decoded(TOKEN.split(".")[1])),
        token_of({"alg": "HS256", "kid": key_id(KEYS.secrets[1])}, decoded(TOKEN.split(".")[1])),
        token_of({"alg": "HS256", "kid": "0" * 16}, decoded(TOKEN.split(".")[1])),
        token_of({"alg": "HS256", "kid": [KEYS.secrets[0]]}, decoded(TOKEN.split(".")[1])),
        token_of({"alg": "HS256"}, decoded(TOKEN.split(".")[1])),
        token_of({"alg": "HS256", "kid": key_id(KEYS.secrets[0]), "crit": ["x"], "x": 1}, {}),
        token_of({"alg": "HS256", "kid": key_id(KEYS.secrets[0])}, ["no", "object"]),
        token_of([], {}),
    ],
    ids=["alg-none-signed", "alg-none", "hs512", "hs512-claimed", "another-kid", "unknown-kid", "kid-list", "no-kid",
         "crit", "claims-list", "header-list"],
)  # fmt: skip
def test_another_algorithm_or_key_is_tampered(token):
    with pytest.raises(TamperedQuote):
        read_quote(token, KEYS)


def test_a_token_with_nothing_changed_but_signed_by_hand_is_read():
    assert read_quote(signed_claims(), KEYS) == QUOTE


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        *[(name, None) for name in decoded(TOKEN.split(".")[1]) if name not in {"region", "decision_id"}],
        ("iss", "another"),
        ("aud", "pricing:orders"),
        ("aud", ["pricing:quotes"]),
        ("price", 10.5),
        ("price", "NaN"),
        ("price", "Infinity"),
        ("price", "1e3"),
        ("price", "-1.00"),
        ("price", "0.00"),
        ("price", "1.00\n"),
        ("price", "\u0661.00"),
        ("price", "9" * 11),
        ("version", "7"),
        ("version", True),
        ("version", -1),
        ("exp", "1795609800"),
        ("exp", 1795609800.5),
        ("exp", 10**15),
        ("exp", 10**30),
        ("iat", -1),
        ("sku", 85123),
        ("region", 5),
        ("decision_id", {}),
        ("purpose", "gift"),
        ("jti", 1),
    ],
)
def test_a_signed_claim_that_is_missing_or_of_a_wrong_type_is_tampered(claim, value):
    with pytest.raises(TamperedQuote):
        read_quote(signed_claims(**{claim: value}), KEYS)


def test_an_oversize_token_is_tampered_even_if_signed():
    with pytest.raises(TamperedQuote):
        read_quote(signed_claims(more="x" * MAX_TOKEN_LENGTH), KEYS)


def test_a_quote_holds_until_just_before_it_expires():
    assert QUOTE.holds_at(QUOTE.expires_at - timedelta(microseconds=1))
    assert not QUOTE.holds_at(QUOTE.expires_at)


def test_an_expired_token_is_still_read():
    long_ago = replace(QUOTE, issued_at=datetime(2001, 1, 1, tzinfo=UTC), expires_at=datetime(2001, 1, 2, tzinfo=UTC))
    assert read_quote(sign_quote(long_ago, KEYS), KEYS) == long_ago


@given(quoted=PRICES, current=PRICES, now=TIMES)
def test_while_it_holds_a_fall_passes_on_and_a_rise_does_not(quoted, current, now):
    quote = replace(QUOTE, price=quoted)
    price = quote.price_to_charge(current, now)
    assert price <= current
    if now < quote.expires_at:
        assert price <= quoted and price in {quoted, current}
    else:
        assert price == current


@given(secrets=st.lists(SECRETS, min_size=2, max_size=4, unique=True), quote=QUOTES)
def test_rotation_keeps_old_tokens_until_their_key_is_dropped(secrets, quote):
    new, *old = secrets
    before, rotated, after = QuoteKeys(tuple(old)), QuoteKeys(tuple(secrets)), QuoteKeys((new,))
    token = sign_quote(quote, before)
    assert read_quote(token, rotated) == quote
    assert read_quote(sign_quote(quote, rotated), after) == quote
    with pytest.raises(TamperedQuote):
        read_quote(token, after)


@pytest.mark.parametrize(
    "secrets",
    [(), ("",), ("x" * 31,), ("x" * 32, "x" * 31), (" " + "x" * 32,), ("é" * 32,), ("-----BEGIN PUBLIC KEY-----",)],
)
def test_weak_secrets_are_refused(secrets):
    with pytest.raises(ValueError, match="secret"):
        QuoteKeys(secrets)


def test_secrets_are_not_printed():
    assert KEYS.secrets[0] not in repr(KEYS)
