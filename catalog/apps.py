from django.apps import AppConfig
from django.db.models import Field, ForeignObject

from catalog.lookups import AnyOf


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = "Prices"

    def ready(self) -> None:
        Field.register_lookup(AnyOf)
        ForeignObject.register_lookup(AnyOf)  # which does not inherit those of fields
