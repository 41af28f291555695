from datetime import UTC, datetime, timedelta

import jwt
import pytest
from rest_framework.test import APIClient

from catalog.models import Channel, Listing, Product
from catalog.models.access import Scope
from catalog.services import quotes as quote_service
from tests.factories import make_api_key, make_channel, make_listing, publish

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 25, 12, 0, 0, 250_000, tzinfo=UTC)
ISSUED = NOW.replace(microsecond=0)
TAMPERED = {
    "status": "tampered",
    "reason": None,
    "price": None,
    "currency": None,
    "quoted": None,
    "current": None,
}


class Clock:
    """The time that the quotes' doors read."""

    def __init__(self, now):
        self.at = now

    def now(self):
        return self.at


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(NOW)
    monkeypatch.setattr("catalog.api.quote_views.timezone", clock)
    return clock


@pytest.fixture
def client():
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.PRICES_READ)}")
    return client


def issue(client, *skus, purpose="page", **body):
    response = client.post("/api/v1/quotes", {"skus": list(skus), "purpose": purpose, **body})
    assert response.status_code == 200, response.json()
    return response.json()


def token_for(client, sku, **body):
    return issue(client, sku, **body)["quotes"][0]["token"]


def verify(client, *tokens):
    response = client.post("/api/v1/quotes:verify", {"tokens": list(tokens)})
    assert response.status_code == 200, response.json()
    return response.json()["results"]


def change_price(listing, price):
    """Publish and serve a price; what runs on commit never does in a test's transaction."""
    publish(listing, price)


def test_a_price_is_quoted_and_its_token_is_valid(client, clock):
    listing = make_listing(sku="85123A")
    change_price(listing, "10.50")
    answer = issue(client, "85123A")
    quote = answer["quotes"][0]
    token, quote_id, decision_id = quote.pop("token"), quote["quote_id"], quote["decision_id"]
    assert answer["unknown_skus"] == [] and quote_id and decision_id
    assert quote == {
        "quote_id": quote_id,
        "sku": "85123A",
        "channel": "web",
        "region": None,
        "purpose": "page",
        "price": "10.50",
        "currency": "GBP",
        "version": 1,
        "decision_id": decision_id,
        "issued_at": "2026-11-25T12:00:00Z",
        "expires_at": "2026-11-25T12:30:00Z",
    }
    assert verify(client, token) == [
        {
            "status": "valid",
            "reason": None,
            "price": "10.50",
            "currency": "GBP",
            "quoted": quote,
            "current": {"price": "10.50", "currency": "GBP", "version": 1, "decision_id": decision_id},
        }
    ]


@pytest.mark.parametrize(
    ("purpose", "lifetime"), [("page", timedelta(minutes=30)), ("cart", timedelta(hours=48))], ids=["page", "cart"]
)
def test_a_quote_expires_on_the_microsecond(client, clock, purpose, lifetime):
    publish(make_listing(sku="85123A"), "10.50")
    token = token_for(client, "85123A", purpose=purpose)
    clock.at = ISSUED + lifetime - timedelta(microseconds=1)
    assert verify(client, token)[0]["status"] == "valid"
    clock.at = ISSUED + lifetime
    assert verify(client, token)[0]["status"] == "expired"


def test_lifetimes_are_settings(client, clock, settings):
    settings.QUOTE_PAGE_SECONDS, settings.QUOTE_CART_SECONDS = 60, 90
    make_listing(sku="85123A")
    assert issue(client, "85123A")["quotes"][0]["expires_at"] == "2026-11-25T12:01:00Z"
    assert issue(client, "85123A", purpose="cart")["quotes"][0]["expires_at"] == "2026-11-25T12:01:30Z"


def test_a_rise_does_not_reach_a_valid_quote_and_a_fall_does(client, clock):
    listing = make_listing(sku="85123A")
    token = token_for(client, "85123A")
    change_price(listing, "10.50")
    risen = verify(client, token)[0]
    assert (risen["status"], risen["price"]) == ("valid", "10.00")
    assert (risen["quoted"]["price"], risen["current"]["price"]) == ("10.00", "10.50")
    assert (risen["quoted"]["version"], risen["current"]["version"]) == (0, 1)
    change_price(listing, "9.50")
    fallen = verify(client, token)[0]
    assert (fallen["status"], fallen["price"], fallen["current"]["version"]) == ("valid", "9.50", 2)


def test_prices_are_compared_as_numbers_not_as_texts(client, clock):
    listing = make_listing(sku="85123A", list_price="9.90")
    token = token_for(client, "85123A")
    change_price(listing, "10.10")
    assert verify(client, token)[0]["price"] == "9.90"


def test_an_expired_quote_gives_the_current_price(client, clock):
    listing = make_listing(sku="85123A")
    token = token_for(client, "85123A")
    change_price(listing, "10.50")
    clock.at = NOW + timedelta(minutes=31)
    result = verify(client, token)[0]
    assert (result["status"], result["price"], result["quoted"]["price"]) == ("expired", "10.50", "10.00")


def test_tokens_are_answered_in_order_whatever_is_between_them(client, clock):
    make_listing(sku="10001")
    make_listing(sku="10002")
    first, second = token_for(client, "10001"), token_for(client, "10002", region="london")
    odd = ["", "NUL \x00", f" {first}", first[:-1], "x" * 100_000, "ключ"]
    results = verify(client, second, *odd, first, second)
    assert [result["quoted"] and result["quoted"]["sku"] for result in results] == [
        "10002", *[None] * len(odd), "10001", "10002",
    ]  # fmt: skip
    assert results[1:-2] == [TAMPERED] * len(odd)


def test_a_price_that_the_shopper_wrote_is_tampered(client, clock):
    publish(make_listing(sku="85123A"), "10.50")
    header, claims, signature = token_for(client, "85123A").split(".")
    cheaper = jwt.utils.base64url_encode(jwt.utils.base64url_decode(claims).replace(b'"10.50"', b'"00.50"')).decode()
    assert cheaper != claims
    assert verify(client, f"{header}.{cheaper}.{signature}") == [TAMPERED]


def test_quotes_keep_the_order_and_name_unknown_skus(client, clock):
    make_listing(sku="10001")
    make_listing(sku="10002")
    answer = issue(client, "10002", "NOPE", "10001", "10002")
    assert [quote["sku"] for quote in answer["quotes"]] == ["10002", "10001"]
    assert answer["unknown_skus"] == ["NOPE"]
    assert len({quote["quote_id"] for quote in answer["quotes"]}) == 2


def test_channels_and_currencies_are_kept_apart(client, clock):
    japan = make_channel("jp", currency="JPY", country="JP", currency_exponent=0)
    publish(make_listing(sku="20725", channel=japan, list_price=1500, unit_cost=700), "1600")
    token = token_for(client, "20725", channel="jp")
    result = verify(client, token)[0]
    assert (result["price"], result["currency"], result["quoted"]["channel"]) == ("1600", "JPY", "jp")
    assert issue(client, "20725")["unknown_skus"] == ["20725"]


def test_the_region_of_a_quote_is_kept(client, clock):
    make_listing(sku="85123A")
    token = token_for(client, "85123A", region="north-west")
    assert verify(client, token)[0]["quoted"]["region"] == "north-west"


def test_what_is_sold_no_longer_has_no_price(client, clock):
    make_listing(sku="85123A")
    token = token_for(client, "85123A")
    Product.objects.update(is_active=False)
    for now, status in ((NOW, "valid"), (NOW + timedelta(days=1), "expired")):
        clock.at = now
        result = verify(client, token)[0]
        assert (result["status"], result["reason"], result["price"]) == (status, "not_sold", None)
        assert result["quoted"]["price"] == "10.00" and result["current"] is None


def test_amounts_of_two_currencies_are_not_compared(client, clock):
    make_listing(sku="85123A", list_price="10.00")
    token = token_for(client, "85123A")
    Channel.objects.update(currency="EUR")
    Listing.objects.update(list_price="12.00")
    valid = verify(client, token)[0]
    assert (valid["status"], valid["reason"], valid["price"], valid["currency"]) == (
        "valid", "currency_changed", None, None,
    )  # fmt: skip
    assert (valid["quoted"]["currency"], valid["current"]["currency"]) == ("GBP", "EUR")
    clock.at = NOW + timedelta(days=1)
    expired = verify(client, token)[0]
    assert (expired["reason"], expired["price"], expired["currency"]) == (None, "12.00", "EUR")


def test_a_cart_begins_at_the_price_of_the_page(client, clock):
    listing = make_listing(sku="85123A")
    page = token_for(client, "85123A")
    change_price(listing, "10.50")
    clock.at = NOW + timedelta(minutes=29)
    cart = issue(client, "85123A", purpose="cart", page_tokens=[page])["quotes"][0]
    assert (cart["price"], cart["version"], cart["decision_id"]) == ("10.00", 0, None)
    clock.at += timedelta(hours=47)
    assert verify(client, cart["token"])[0]["price"] == "10.00"


def test_a_cart_takes_the_fall_since_the_page(client, clock):
    listing = make_listing(sku="85123A")
    page = token_for(client, "85123A")
    change_price(listing, "9.50")
    cart = issue(client, "85123A", purpose="cart", page_tokens=[page])["quotes"][0]
    assert (cart["price"], cart["version"]) == ("9.50", 1)


def test_of_several_pages_the_lowest_price_counts(client, clock):
    listing = make_listing(sku="85123A")
    first = token_for(client, "85123A")
    change_price(listing, "9.50")
    second = token_for(client, "85123A")
    change_price(listing, "10.50")
    third = token_for(client, "85123A")
    cart = issue(client, "85123A", purpose="cart", page_tokens=[first, second, third])["quotes"][0]
    assert (cart["price"], cart["version"]) == ("9.50", 1)


def test_a_cart_takes_no_price_over_but_its_own_pages_that_still_holds(client, clock):
    japan = make_channel("jp", currency="JPY", country="JP", currency_exponent=0)
    listing = make_listing(sku="85123A")
    make_listing(sku="CHEAP", list_price="1.00", unit_cost="0.50")
    Listing.objects.create(product=listing.product, channel=japan, list_price=5, unit_cost=1)
    expired = token_for(client, "85123A")
    clock.at = NOW + timedelta(minutes=30)
    cart = token_for(client, "85123A", purpose="cart")
    of_another_region = token_for(client, "85123A", region="london")
    others = [
        expired,
        cart,
        of_another_region,
        token_for(client, "CHEAP"),
        token_for(client, "85123A", channel="jp"),
        "",
    ]
    change_price(listing, "10.50")
    quote = issue(client, "85123A", purpose="cart", page_tokens=others)["quotes"][0]
    assert (quote["price"], quote["version"]) == ("10.50", 1)


def test_a_page_in_another_currency_is_not_taken_over(client, clock):
    make_listing(sku="85123A")
    page = token_for(client, "85123A")
    Channel.objects.update(currency="EUR")
    Listing.objects.update(list_price="12.00")
    quote = issue(client, "85123A", purpose="cart", page_tokens=[page])["quotes"][0]
    assert (quote["price"], quote["currency"]) == ("12.00", "EUR")


def test_a_token_outlives_the_rotation_of_its_key_until_the_key_is_dropped(client, clock, settings):
    make_listing(sku="85123A")
    old, new = "old-" + "a" * 32, "new-" + "b" * 32
    settings.QUOTE_SIGNING_KEYS = [old]
    token = token_for(client, "85123A")
    settings.QUOTE_SIGNING_KEYS = [new, old]
    assert verify(client, token)[0]["status"] == "valid"
    newer = token_for(client, "85123A")
    settings.QUOTE_SIGNING_KEYS = [new]
    assert [result["status"] for result in verify(client, token, newer)] == ["tampered", "valid"]


def test_without_keys_of_their_own_quotes_follow_the_secret_key(client, clock, settings):
    make_listing(sku="85123A")
    settings.QUOTE_SIGNING_KEYS = []
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "s" * 60, []
    token = token_for(client, "85123A")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, "s" * 60, algorithms=["HS256"], audience="pricing:quotes")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "t" * 60, ["s" * 60]
    assert verify(client, token)[0]["status"] == "valid"
    settings.SECRET_KEY_FALLBACKS = []
    assert verify(client, token)[0]["status"] == "tampered"


def test_a_cart_of_a_hundred_is_looked_up_at_once(client, clock, monkeypatch):
    skus = [make_listing().product.sku for _ in range(100)]
    tokens = [quote["token"] for quote in issue(client, *skus, purpose="cart")["quotes"]]
    asked = []

    def counted(**query):
        asked.append(query)
        return served_prices(**query)

    served_prices = quote_service.served_prices
    monkeypatch.setattr(quote_service, "served_prices", counted)
    assert {result["status"] for result in verify(client, *tokens)} == {"valid"}
    assert [sorted(query["skus"]) for query in asked] == [sorted(skus)]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("quotes", {"purpose": "page"}, "#/skus"),
        ("quotes", {"skus": [], "purpose": "page"}, "#/skus"),
        ("quotes", {"skus": ["a"] * 101, "purpose": "page"}, "#/skus"),
        ("quotes", {"skus": ["x" * 65], "purpose": "page"}, "#/skus/0"),
        ("quotes", {"skus": ["a\x00"], "purpose": "page"}, "#/skus/0"),
        ("quotes", {"skus": ["a"]}, "#/purpose"),
        ("quotes", {"skus": ["a"], "purpose": "gift"}, "#/purpose"),
        ("quotes", {"skus": ["a"], "purpose": "page", "channel": "no slug"}, "#/channel"),
        ("quotes", {"skus": ["a"], "purpose": "page", "region": "x" * 65}, "#/region"),
        ("quotes", {"skus": ["a"], "purpose": "page", "page_tokens": ["t"]}, "#/page_tokens"),
        ("quotes", {"skus": ["a"], "purpose": "cart", "page_tokens": [None]}, "#/page_tokens/0"),
        ("quotes", {"skus": ["a"], "purpose": "cart", "page_tokens": ["t"] * 101}, "#/page_tokens"),
        ("quotes:verify", {}, "#/tokens"),
        ("quotes:verify", {"tokens": []}, "#/tokens"),
        ("quotes:verify", {"tokens": ["t"] * 101}, "#/tokens"),
        ("quotes:verify", {"tokens": "t"}, "#/tokens"),
        ("quotes:verify", {"tokens": [5]}, "#/tokens/0"),
        ("quotes:verify", {"tokens": [None]}, "#/tokens/0"),
    ],
)
def test_an_invalid_request_names_the_field(client, path, body, pointer):
    response = client.post(f"/api/v1/{path}", body)
    assert response.status_code == 400
    assert response.json()["type"] == "urn:pricing:problem:validation-error"
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("path", "body"), [("quotes", {"skus": ["a"], "purpose": "page"}), ("quotes:verify", {"tokens": ["t"]})]
)
def test_quotes_need_the_scope_to_read_prices(path, body):
    client = APIClient()
    assert client.post(f"/api/v1/{path}", body).status_code == 401
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_api_key(Scope.RUNS_WRITE)}")
    response = client.post(f"/api/v1/{path}", body)
    assert response.status_code == 403 and "prices:read" in response.json()["detail"]
