from typing import Any

from django.core.management.base import BaseCommand, CommandError

from pricing_site.roles import ROLES, set_up_roles


class Command(BaseCommand):
    help = "Make the groups viewer, analyst, manager and admin, with what each may do; run it after every migrate."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            set_up_roles()
        except LookupError as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"Roles: {', '.join(ROLES)}.")
