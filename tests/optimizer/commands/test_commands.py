import pytest
from django.core.management import CommandError, call_command

from catalog.models import ApiKey, PriceChange
from optimizer.models import OptimizationRun
from tests.factories import make_channel, make_listing
from tests.optimizer.factories import make_fit

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("command", "cure"),
    [
        (["fit_elasticities"], "import_sales"),
        (["optimize_prices"], "fit_elasticities"),
        (["build_report", "report.html"], "optimize_prices"),
        (["assume_facts", "--channel", "shop"], "channels: web"),
        (["fit_elasticities", "--channel", "shop"], "channels: web"),
        (["optimize_prices", "--channel", "shop"], "channels: web"),
        (["build_report", "report.html", "--channel", "shop"], "channels: web"),
    ],
)
def test_a_command_that_cannot_work_names_the_cure_in_one_line(command, cure):
    make_channel()
    with pytest.raises(CommandError, match=cure) as error:
        call_command(*command)
    assert error.value.returncode == 2 and "\n" not in str(error.value)


def test_optimize_prices_publishes_and_reports(capsys, tmp_path):
    listing = make_listing(name="<b>CAKE & STAND</b>")
    make_fit(listing.channel, [listing])
    call_command("optimize_prices", key="tonight")
    assert "1 of 1" in capsys.readouterr().out
    call_command("optimize_prices", key="tonight")
    assert PriceChange.objects.count() == OptimizationRun.objects.count() == 1
    call_command("build_report", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert "<b>Cake" not in page and page.count("<svg") == 4


def test_a_dry_run_publishes_nothing(capsys):
    listing = make_listing()
    make_fit(listing.channel, [listing])
    call_command("optimize_prices", dry_run=True)
    assert "dry run" in capsys.readouterr().out and not PriceChange.objects.exists()


def test_an_api_key_is_printed_once(capsys):
    call_command("create_api_key", "storefront", scope=["prices:read"])
    text = capsys.readouterr().out.strip()
    assert ApiKey.objects.get().digest == ApiKey.digest_of(text)


def test_demo_credentials_need_debug(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="createsuperuser") as error:
        call_command("demo_credentials")
    assert error.value.returncode == 2


def test_demo_credentials_are_made_once_and_kept_private(settings, tmp_path, capsys):
    settings.DEBUG, settings.DEMO_HOME = True, tmp_path
    call_command("demo_credentials")
    first = capsys.readouterr().out
    call_command("demo_credentials")
    assert capsys.readouterr().out == first and "API key  pk_" in first
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600
