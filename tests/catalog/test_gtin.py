from itertools import product as pairs

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse

from catalog.gtin import NotAGtin, check_digit, gtin14
from catalog.models import Product
from tests.factories import make_listing

# GS1's own example, a marker, the first thing ever scanned, a short number, a carton.
GOOD = ["6291041500213", "4006381333931", "036000291452", "96385074", "10614141000415"]


@pytest.mark.parametrize("text", GOOD)
def test_a_gtin_is_14_digits_however_it_is_written(text):
    assert gtin14(text) == text.zfill(14)
    assert check_digit(text[:-1]) == text[-1]


@pytest.mark.parametrize("text", GOOD)
def test_one_wrong_digit_is_always_found(text):
    for place, digit in pairs(range(len(text)), "0123456789"):
        if digit != text[place]:
            with pytest.raises(NotAGtin):
                gtin14(text[:place] + digit + text[place + 1 :])


@pytest.mark.parametrize(
    "text", ["", "400638133393", "40063813339", "4006381333931 ", "4006381-33393", "４００６３８１３３３９３１"]
)
def test_other_texts_are_no_gtin(text):
    with pytest.raises(NotAGtin):
        gtin14(text)


@pytest.mark.django_db
def test_products_without_one_are_many_and_a_number_is_one_products():
    first, second, third = (make_listing().product for _ in range(3))
    assert first.gtin == second.gtin == ""
    Product.objects.filter(pk=first.pk).update(gtin="036000291452")
    second.gtin = "0036000291452"  # the same with a zero in front
    with pytest.raises(ValidationError, match="Another product has this GTIN"):
        second.full_clean()
    with pytest.raises(IntegrityError, match="product_gtin_once"), transaction.atomic():
        second.save()
    third.gtin = "4006381333932"
    with pytest.raises(ValidationError, match="the last is 1"):
        third.full_clean()


@pytest.mark.django_db
def test_a_gtin_is_edited_in_the_admin(client):
    client.force_login(User.objects.create_superuser("boss"))
    product = make_listing("85123A").product
    url = reverse("admin:catalog_product_change", args=[product.pk])
    form = {"name": product.name, "is_active": "on", "gtin": "4006381333932"}
    assert "gtin" in client.post(url, form).context["adminform"].form.errors
    assert client.post(url, form | {"gtin": " 4006381333931 "}).status_code == 302
    assert Product.objects.get().gtin == "4006381333931"
    assert "4006381333931" in client.get(reverse("admin:catalog_product_changelist")).content.decode()
