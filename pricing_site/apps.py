from django.apps import AppConfig


class PricingSiteConfig(AppConfig):
    """The composition root as an app: it loads the Celery application and the system checks, and owns the demo."""

    name = "pricing_site"

    def ready(self) -> None:
        from pricing_site import celery, checks  # noqa: F401  (loading registers tasks' application and checks)
