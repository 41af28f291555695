from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from pricing_site.demo.credentials import demo_credentials


class Command(BaseCommand):
    help = "Print how to log in to the demo, and its API key. Only with DEBUG on."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("demo credentials exist only with DEBUG=1: use createsuperuser", returncode=2)
        found = demo_credentials(settings.DEMO_HOME)
        self.stdout.write(f"user     {found.username}\npassword {found.password}\nAPI key  {found.api_key}")
