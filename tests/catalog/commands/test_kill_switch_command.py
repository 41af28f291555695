import pytest
from django.core.management import CommandError, call_command

from catalog.models import Category, KillSwitch
from tests.factories import make_channel

pytestmark = pytest.mark.django_db


def said(capsys, *arguments):
    call_command("kill_switch", *arguments)
    return capsys.readouterr().out


def test_on_status_off(capsys):
    make_channel()
    assert said(capsys, "status") == "nothing is stopped\n"
    assert (
        said(capsys, "on", "--channel", "web", "--reason", "a test") == "channel:web: nothing automatic is published\n"
    )
    assert "it was on already" in said(capsys, "on", "--channel", "web", "--reason", "a test")
    assert "channel:web is stopped since" in said(capsys, "status")
    said(capsys, "off", "--channel", "web", "--reason", "done")
    switch = KillSwitch.objects.get()
    assert not switch.is_on and switch.lift_reason == "done" and switch.flipped_through.startswith("command")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["on"], "--reason"),
        (["on", "--channel", "moon", "--reason", "x"], "no channel 'moon'"),
        (["on", "--category", "moon", "--reason", "x"], "no category 'moon'"),
        (["on", "--model", "a b", "--reason", "x"], "letters, digits"),
        (["off", "--category", "mugs"], "no such switch is on"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, words):
    Category.objects.create(code="mugs", name="Mugs")
    with pytest.raises(CommandError, match=words) as raised:
        call_command("kill_switch", *arguments)
    assert raised.value.returncode == 2
    assert not KillSwitch.objects.exists()
