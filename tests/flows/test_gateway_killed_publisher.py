"""A publisher killed around its commit leaves neither an old price that is served nor a mark that stays."""

import json
import subprocess
import sys
import time
import urllib.request

import pytest

from catalog import price_cache
from catalog.cached_values import Kind, decoded, price_name
from catalog.models import Listing
from tests.factories import make_api_key, make_listing

pytestmark = pytest.mark.django_db(transaction=True)

PUBLISH = """
import os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "pricing_site.settings"
import django
django.setup()
from django.db import transaction
from catalog.models import Listing
from catalog.models.listing import PriceSource
from tests.factories import publish

def die():
    os.kill(os.getpid(), signal.SIGKILL)

with transaction.atomic():
    if sys.argv[1] == "after":
        transaction.on_commit(die)  # before the records are stored, which is asked for later
    publish(Listing.objects.get(), "11.00", source=PriceSource.OVERRIDE)
    if sys.argv[1] == "before":
        die()
"""


def held():
    text = price_cache.held_value(price_name("web", "85123A"), epoch=price_cache.epoch())
    return decoded(text)


@pytest.mark.parametrize(("killed", "price"), [("before", "10.00"), ("after", "11.00")])
def test_a_publisher_is_killed(web, environment, killed, price):
    make_listing(sku="85123A")
    key = make_api_key()

    def served():
        request = urllib.request.Request(f"{web.url}/api/v1/prices/85123A", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)["price"]

    assert {served() for _ in range(10)} == {"10.00"}
    done = subprocess.run([sys.executable, "-c", PUBLISH, killed], env=environment, check=False, timeout=60)
    assert done.returncode == -9
    assert held().kind is Kind.PENDING
    assert {served() for _ in range(10)} == {price}
    time.sleep(0.1)
    assert held().kind is Kind.RECORD and json.loads(held().content)["price"] == price
    assert str(Listing.objects.get().price_in_force)[:5] == price
    assert price_cache.epoch() == 0
