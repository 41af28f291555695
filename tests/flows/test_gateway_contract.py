"""The gateway and the views answer one table of requests alike: status, headers and content."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from rest_framework.test import APIClient

from catalog.models import ApiKey
from catalog.models.access import Scope
from tests.factories import make_api_key, make_listing, publish

pytestmark = pytest.mark.django_db(transaction=True)

NOT_COMPARED = {"date", "x-request-id", "connection", "content-length", "vary", "transfer-encoding"}


@dataclass(frozen=True)
class Case:
    name: str
    path: str = "/api/v1/prices/85123A"
    method: str = "GET"
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    key: str = "good"
    status: int = 200


CASES = [
    Case("a price"),
    Case("its head", method="HEAD"),
    Case("the same version", headers={"If-None-Match": '"1"'}, status=304),
    Case("a weak version", headers={"If-None-Match": 'W/"1"'}, status=304),
    Case("any version", headers={"If-None-Match": "*"}, status=304),
    Case("one of several versions", headers={"If-None-Match": '"9", "1"'}, status=304),
    Case("another version", headers={"If-None-Match": '"2"'}),
    Case("what is no version", headers={"If-None-Match": "1"}),
    Case("a channel", path="/api/v1/prices/85123A?channel=web"),
    Case("two channels", path="/api/v1/prices/85123A?channel=jp&channel=web"),
    Case("another channel", path="/api/v1/prices/85123A?channel=jp", status=404),
    Case("no channel", path="/api/v1/prices/85123A?channel=no%20slug", status=400),
    Case("a region", path="/api/v1/prices/85123A?region=london"),
    Case("no region", path="/api/v1/prices/85123A?region=a%20b", status=400),
    Case("an unknown parameter", path="/api/v1/prices/85123A?colour=red"),
    Case("an unknown SKU", path="/api/v1/prices/NOPE", status=404),
    Case("a SKU with a space", path="/api/v1/prices/A%20B"),
    Case("an escaped SKU", path="/api/v1/prices/%385123A"),
    Case("a SKU beyond ASCII", path="/api/v1/prices/%C3%A9", status=404),
    Case("a NUL", path="/api/v1/prices/%00", status=404),
    Case("an inactive SKU", path="/api/v1/prices/OLD", status=404),
    Case("no key", key="none", status=401),
    Case("an unknown key", key="unknown", status=401),
    Case("a revoked key", key="revoked", status=401),
    Case("a key without the scope", key="runs", status=403),
    Case("another way to log in", headers={"Authorization": "Basic YTpi"}, key="none", status=401),
    Case("no JSON wanted", headers={"Accept": "text/html"}, status=406),
    Case("JSON among others", headers={"Accept": "text/html, application/json;q=0.5"}),
    Case("another method", method="DELETE", status=405),
    Case("options", method="OPTIONS"),
    Case("a batch", "/api/v1/prices:batch", "POST", {"skus": ["A B", "NOPE", "85123A", "A B"]}),
    Case("a batch in a region", "/api/v1/prices:batch", "POST", {"skus": ["85123A"], "region": "london"}),
    Case("a batch of a channel", "/api/v1/prices:batch", "POST", {"skus": ["85123A"], "channel": "jp"}),
    Case("a batch with spaces", "/api/v1/prices:batch", "POST", {"skus": [" 85123A "]}),
    Case("a batch with a number", "/api/v1/prices:batch", "POST", {"skus": [85123]}),
    Case("an unknown field", "/api/v1/prices:batch", "POST", {"skus": ["85123A"], "colour": "red"}),
    Case("an empty batch", "/api/v1/prices:batch", "POST", {"skus": []}, status=400),
    Case("a batch of text", "/api/v1/prices:batch", "POST", {"skus": "85123A"}, status=400),
    Case("a batch with null", "/api/v1/prices:batch", "POST", {"skus": [None]}, status=400),
    Case("a long SKU", "/api/v1/prices:batch", "POST", {"skus": ["x" * 65]}, status=400),
    Case("too many SKUs", "/api/v1/prices:batch", "POST", {"skus": ["x"] * 1001}, status=400),
    Case("a batch of no region", "/api/v1/prices:batch", "POST", {"skus": ["x"], "region": "a b"}, status=400),
    Case("a region of null", "/api/v1/prices:batch", "POST", {"skus": ["x"], "region": None}, status=400),
    Case("a list", "/api/v1/prices:batch", "POST", [], status=400),
    Case("no JSON", "/api/v1/prices:batch", "POST", b"{", status=400),
    Case("a form", "/api/v1/prices:batch", "POST", b"skus=a", {"Content-Type": "text/plain"}, status=415),
    Case("a batch without a key", "/api/v1/prices:batch", "POST", {"skus": ["85123A"]}, key="none", status=401),
    Case("a batch with GET", "/api/v1/prices:batch", status=405),
]


@pytest.fixture
def keys():
    from django.utils import timezone

    from catalog.services.api_keys import revoke_api_keys

    revoked, text = ApiKey.issue(name="old", scopes=[Scope.PRICES_READ])
    revoke_api_keys(keys=[revoked], now=timezone.now())
    return {"good": make_api_key(), "runs": make_api_key(Scope.RUNS_WRITE), "unknown": "pk_unknown", "revoked": text}


@pytest.fixture
def shop():
    publish(make_listing(sku="85123A"), "10.50", binding_rule="max_change")
    make_listing(sku="A B")
    make_listing(sku="OLD", is_active=False)


def headers_of(case, keys):
    headers = {"Host": "localhost", **case.headers}
    if case.key != "none":
        headers["Authorization"] = f"Bearer {keys[case.key]}"
    if case.body is not None:
        headers.setdefault("Content-Type", "application/json")
    return headers


def bytes_of(case):
    return case.body if isinstance(case.body, bytes) else json.dumps(case.body).encode()


def comparable(status, headers, content):
    kept = {name.lower(): value for name, value in headers if name.lower() not in NOT_COMPARED}
    text = json.loads(content) if content else None
    for price in [text, *text.get("prices", [])] if isinstance(text, dict) else []:
        price.pop("valid_until", None)
    return status, kept, text


def through_the_views(case, keys):
    headers = headers_of(case, keys)
    response = APIClient().generic(
        case.method,
        case.path,
        b"" if case.body is None else bytes_of(case),
        content_type=headers.pop("Content-Type", ""),
        headers=headers,
    )
    return comparable(response.status_code, response.items(), b"" if case.method == "HEAD" else response.content)


def through_the_gateway(connection, case, keys):
    body = None if case.body is None else bytes_of(case)
    connection.request(case.method, case.path, body=body, headers=headers_of(case, keys))
    response = connection.getresponse()
    assert response.headers["X-Request-ID"]
    return comparable(response.status, response.getheaders(), response.read())


def test_gateway_and_views_answer_alike(web, shop, keys):
    connection = http.client.HTTPConnection(urlsplit(web.url).netloc, timeout=20)
    for case in CASES:
        expected = through_the_views(case, keys)
        assert expected[0] == case.status, case.name
        for _ in range(3):  # the later ones are answered from memory
            assert through_the_gateway(connection, case, keys) == expected, case.name
