"""Forecasters judged and made live by hand: through the gate, over it with a name and a reason, and back again."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from catalog.admin.cells import admin_url
from catalog.models import ApiKey
from optimizer.models import DemandForecaster, ForecasterPromotion
from optimizer.selectors.forecasts import live_forecaster
from optimizer.services.promote_forecaster import ForecasterStaysOut, MayNotOverrule, NoReason, promote_forecaster
from pricing_site.roles import set_up_roles
from tests.factories import make_api_client, make_channel
from tests.optimizer.forecasters import make_forecaster

pytestmark = pytest.mark.django_db

REFUSED = {"passes": False, "against": None, "words": "its loss of 0.460 is 3.1 % above that of LightGBM"}


def a_person(name: str, role: str) -> User:
    set_up_roles()
    person = User.objects.create_user(name, is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    return person


def a_candidate(**fields) -> DemandForecaster:
    return make_forecaster(make_channel(), status="candidate", promoted_at=None, **fields)


def test_one_that_passed_goes_live_and_the_one_before_is_retired():
    old, new = make_forecaster(make_channel()), a_candidate()
    with pytest.raises(ForecasterStaysOut, match=f"not judged against {old}.*evaluate_forecaster {new.pk}"):
        promote_forecaster(forecaster_id=new.pk, now=timezone.now())
    DemandForecaster.objects.filter(pk=new.pk).update(verdict={"passes": True, "against": old.pk, "words": "good"})
    promote_forecaster(forecaster_id=new.pk, now=timezone.now(), reason=" newer sales ")
    promote_forecaster(forecaster_id=new.pk, now=timezone.now())
    old.refresh_from_db()
    assert old.status == "retired" and live_forecaster(channel=make_channel(), step="day") == new
    recorded = ForecasterPromotion.objects.get()
    assert (recorded.forecaster, recorded.replaced, recorded.gate, recorded.reason, recorded.author) == (
        new, old, "passed", "newer sales", None,
    )  # fmt: skip
    with pytest.raises(IntegrityError), transaction.atomic():
        DemandForecaster.objects.filter(pk=old.pk).update(status="live")


def test_one_that_was_live_goes_live_again_without_the_gate():
    old, new = make_forecaster(make_channel(), verdict=REFUSED), a_candidate()
    DemandForecaster.objects.filter(pk=new.pk).update(verdict={"passes": True, "against": old.pk, "words": "good"})
    promote_forecaster(forecaster_id=new.pk, now=timezone.now())
    promote_forecaster(forecaster_id=old.pk, now=timezone.now(), reason="it missed the sale")
    assert live_forecaster(channel=make_channel(), step="day") == old
    assert list(ForecasterPromotion.objects.order_by("pk").values_list("gate", flat=True)) == ["passed", "returned"]


def test_the_gate_is_overruled_only_with_a_reason_and_by_a_person_who_may():
    refused = a_candidate(verdict=REFUSED)
    manager, admin = a_person("mia", "manager"), a_person("ada", "admin")
    given = {"forecaster_id": refused.pk, "now": timezone.now()}
    with pytest.raises(ForecasterStaysOut, match=r"3\.1 % above that of LightGBM"):
        promote_forecaster(**given, author=admin, reason="a forecast is better than none")
    with pytest.raises(MayNotOverrule, match="nobody may not overrule"):
        promote_forecaster(**given, overrule=True, reason="why not")
    with pytest.raises(MayNotOverrule, match="mia may not overrule"):
        promote_forecaster(**given, overrule=True, reason="why not", author=manager)
    with pytest.raises(NoReason, match="say why"):
        promote_forecaster(**given, overrule=True, reason="  ", author=admin)
    with pytest.raises(NoReason, match="give 300 at most"):
        promote_forecaster(**given, overrule=True, reason="x" * 301, author=admin)
    assert not ForecasterPromotion.objects.exists()
    promote_forecaster(**given, overrule=True, reason="a forecast is better than none", author=admin)
    recorded = ForecasterPromotion.objects.get()
    assert (recorded.gate, recorded.author) == ("overruled", admin) and live_forecaster(
        channel=make_channel(), step="day"
    )


def test_one_that_was_never_judged_cannot_be_overruled():
    with pytest.raises(ForecasterStaysOut, match="was not judged against any forecaster"):
        promote_forecaster(
            forecaster_id=a_candidate(verdict={}).pk,
            now=timezone.now(),
            overrule=True,
            reason="hurry",
            author=a_person("ada", "admin"),
        )


@pytest.mark.parametrize("statement", ["UPDATE {} SET reason = 'x'", "DELETE FROM {}"])
def test_the_database_keeps_who_did_it(statement):
    promote_forecaster(forecaster_id=a_candidate().pk, now=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format("optimizer_forecasterpromotion"))


def test_the_database_wants_a_name_and_a_reason_beside_an_overruled_gate():
    with pytest.raises(IntegrityError), transaction.atomic():
        ForecasterPromotion.objects.create(forecaster=a_candidate(), at=timezone.now(), gate="overruled", reason="x")


def test_the_command_says_what_to_do_next(capsys):
    refused, admin = a_candidate(verdict=REFUSED), a_person("ada", "admin")
    with pytest.raises(CommandError, match=r"stays out: its loss of 0\.460") as error:
        call_command("promote_forecaster", str(refused.pk))
    assert error.value.returncode == 2 and "\n" not in str(error.value)
    with pytest.raises(CommandError, match="no forecaster-999"):
        call_command("promote_forecaster", "999")
    call_command("promote_forecaster", str(refused.pk), "--overrule", "--reason=demo", f"--author={admin.username}")
    said = capsys.readouterr().out
    assert f"{refused} is live in channel web by day" in said
    assert "manage.py forecast_demand --channel web --step day" in said


def test_a_worker_forecasts_when_another_goes_live_through_the_api(monkeypatch, django_capture_on_commit_callbacks):
    refused, sent = a_candidate(verdict=REFUSED), []
    monkeypatch.setattr("optimizer.tasks.forecast_demand.delay", lambda *asked: sent.append(asked))
    client, path = make_api_client(), f"/api/v1/forecasters/{refused.pk}"
    assert client.post(f"{path}/promote").status_code == 409
    forbidden = client.post(f"{path}/promote", {"overrule": True, "reason": "demo"}, format="json")
    assert forbidden.status_code == 403 and "may not overrule" in forbidden.json()["detail"]
    ApiKey.objects.update(owner=a_person("ada", "admin"))
    without = client.post(f"{path}/promote", {"overrule": True}, format="json")
    assert without.status_code == 400 and without.json()["errors"][0]["pointer"] == "#/reason"
    misspelt = client.post(f"{path}/promote", {"overule": True}, format="json")
    assert misspelt.status_code == 400 and "Unknown field" in str(misspelt.json())
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(f"{path}/promote", {"overrule": True, "reason": "demo"}, format="json")
    body = answer.json()
    assert answer.status_code == 200 and (body["status"], body["name"]) == ("live", str(refused))
    assert body["scores"].keys() == {"rows", "serves"}
    assert [(each["author"], each["reason"], each["gate"]) for each in body["promotions"]] == [
        ("ada", "demo", "overruled")
    ]
    assert sent == [(refused.channel_id, "day")] and client.get(path).json() == body
    listed = client.get("/api/v1/forecasters", {"channel": "web"}).json()["results"]
    assert [each["id"] for each in listed] == [refused.pk]
    assert client.get("/api/v1/forecasters/999").status_code == 404
    assert client.get("/api/v1/forecasters", {"channel": "nowhere"}).status_code == 400


@pytest.fixture
def sent(monkeypatch) -> list[tuple]:
    asked: list[tuple] = []
    monkeypatch.setattr("optimizer.tasks.forecast_demand.delay", lambda *of: asked.append(("forecast", *of)))
    monkeypatch.setattr("optimizer.tasks.evaluate_forecaster.delay", lambda *of: asked.append(("evaluate", *of)))
    return asked


def logged_in(person: User) -> Client:
    window = Client()
    window.force_login(person)
    return window


def test_a_manager_has_one_that_passed_go_live_and_cannot_overrule(sent, django_capture_on_commit_callbacks):
    window, passed, refused = logged_in(a_person("mia", "manager")), a_candidate(), a_candidate(verdict=REFUSED)
    page = window.get(admin_url("optimizer_demandforecaster_change", refused.pk)).content.decode()
    assert "An admin may overrule that" in page and 'id="promote"' not in page and 'id="evaluate"' in page
    asks = admin_url("optimizer_demandforecaster_promote", refused.pk)
    assert window.get(asks).status_code == window.post(asks, {"reason": "x"}).status_code == 403
    asks = admin_url("optimizer_demandforecaster_promote", passed.pk)
    assert "Forecast with it" in window.get(asks).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = window.post(asks, {"reason": ""}, follow=True).content.decode()
        window.post(admin_url("optimizer_demandforecaster_evaluate", refused.pk))
    assert f"{passed} is live: a worker forecasts" in answer and "When it went live" in answer and "mia" in answer
    assert sent == [("forecast", passed.channel_id, "day"), ("evaluate", refused.pk)]


def test_an_admin_overrules_with_a_reason_and_goes_back(sent):
    window, old = logged_in(a_person("ada", "admin")), make_forecaster(make_channel())
    refused = a_candidate(verdict=REFUSED | {"against": old.pk})
    asks = admin_url("optimizer_demandforecaster_promote", refused.pk)
    assert "3.1 % above that of LightGBM" in window.get(asks).content.decode()
    assert "Say why the gate is overruled." in window.post(asks, {"reason": ""}).content.decode()
    page = window.post(asks, {"reason": "the demo"}, follow=True).content.decode()
    assert "refused, and overruled" in page and "the demo" in page and str(old) in page
    page = window.get(admin_url("optimizer_demandforecaster_change", old.pk)).content.decode()
    assert "Go back to it" in page and 'id="evaluate"' not in page
    window.post(admin_url("optimizer_demandforecaster_promote", old.pk), {"reason": ""})
    assert live_forecaster(channel=make_channel(), step="day") == old


def test_a_viewer_sees_no_doors():
    window, passed = logged_in(a_person("vic", "viewer")), a_candidate()
    page = window.get(admin_url("optimizer_demandforecaster_change", passed.pk)).content.decode()
    assert 'id="promote"' not in page and 'id="evaluate"' not in page
    assert window.get(admin_url("optimizer_demandforecaster_promote", passed.pk)).status_code == 403
    assert window.post(admin_url("optimizer_demandforecaster_evaluate", passed.pk)).status_code == 403
