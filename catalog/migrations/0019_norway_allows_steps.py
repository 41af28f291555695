"""Norway's § 9a prisopplysningsforskriften (in force since 1 October 2023) allows reductions that deepen step by step.

The texts of the other four were read again: § 11(2) PAngV (DE), § 9a PrAG (AT, in a law firm's account), L112-1-1 Code
de la consommation (FR), art. 17-bis(5) Codice del consumo (IT). Not found, so still by the directive alone: the acts of
Iceland and Liechtenstein, and the choice of the other members. A row that somebody changed is left as it is.
"""

from django.db import migrations

SEEDED = "Directive 98/6/EC Art. 6a"


def allow(apps, schema_editor):
    rules = apps.get_model("catalog", "PriceLawRule").objects
    rules.filter(country="NO", source=SEEDED, progressive_reductions_allowed=False).update(
        progressive_reductions_allowed=True, source=f"{SEEDED}; § 9a prisopplysningsforskriften"
    )


class Migration(migrations.Migration):
    dependencies = [("catalog", "0018_lowest_offers")]
    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]
