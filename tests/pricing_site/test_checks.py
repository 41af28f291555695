import os
import subprocess
import sys

import pytest

SOUND = {
    "SECRET_KEY": "x" * 60,
    "ALLOWED_HOSTS": "shop.example",
    "DEBUG": "0",
    "DATABASE_URL": "postgres://user:password@db.example/pricing",
    "REDIS_URL": "redis://cache.example/0",
    "CELERY_BROKER_URL": "redis://queue.example/0",
    "PRICING_DEVICE": "auto",
    "PRICE_CACHE_TTL_SECONDS": "300",
}


def check(**changes: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **SOUND, **changes}
    return subprocess.run([sys.executable, "manage.py", "check"], env=environment, capture_output=True, text=True)


def test_a_sound_configuration_passes():
    found = check()
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("SECRET_KEY", "", "Set SECRET_KEY to a long random text"),
        ("ALLOWED_HOSTS", "", "Set ALLOWED_HOSTS"),
        ("DATABASE_URL", "", "Set DATABASE_URL"),
        ("DATABASE_URL", "sqlite:///x.db", "has the scheme 'sqlite'"),
        ("REDIS_URL", "", "Set REDIS_URL"),
        ("CELERY_BROKER_URL", "redis://cache.example/0", "noeviction"),
        ("PRICING_DEVICE", "gpu", "Set it to auto, cpu, cuda"),
        ("PRICE_CACHE_TTL_SECONDS", "0", "positive number of seconds"),
        ("QUOTE_SIGNING_KEYS", f"{'a' * 32},{'b' * 31}", "secret 2 must be 32 or more"),
        ("QUOTE_SIGNING_KEYS", f"{'a' * 32}, {'b' * 32}", "Separate secrets by commas alone"),
        ("QUOTE_PAGE_SECONDS", "0", "QUOTE_PAGE_SECONDS=1800"),
        ("QUOTE_CART_SECONDS", "1799", "a cart's at least as long"),
        ("QUOTE_CART_SECONDS", "172800000", "30 days at most"),
        ("FEATURES_REFRESH_SECONDS", "0", "positive number of seconds"),
        ("PRICE_CACHE_GRACE_SECONDS", "299", "PRICE_CACHE_GRACE_SECONDS=86400"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_with_its_cure(name, value, cure):
    found = check(**{name: value})
    assert found.returncode != 0 and cure in found.stderr
