"""More countries whose law lets a reduction that deepens step by step keep its prior price; Art. 6a(5) is an option.

Read again for the countries that were seeded with it: § 11(2) PAngV (DE), § 9a(1) PrAG (AT), L112-1-1 Code de la
consommation (FR, within a set period), art. 17-bis(5) Codice del consumo (IT, within one campaign). Added: § 9a
prisopplysningsforskriften (NO), § 12a(1)(c) zákona 634/1992 Sb. (CZ, as others quote it), S.I. 597/2022 (IE, as the CCPC
explains it, within a campaign).

With limits that yes or no cannot say, so no: NL (three months from the first step), FI (a campaign of 60 days at most),
SE (within the 30 days), HR (one seasonal sale). No such rule: PL, DK. Unclear: BE, ES, PT, RO. Not looked up: BG, CY, EE,
GR, HU, IS, LI, LT, LU, LV, MT, SI, SK. A row that somebody changed is left as it is.
"""

from django.db import migrations

SEEDED = "Directive 98/6/EC Art. 6a"
ALLOWED = {
    "CZ": "§ 12a(1)(c) zákona 634/1992 Sb.",
    "IE": "S.I. 597/2022",
    "NO": "§ 9a prisopplysningsforskriften",
}


def allow(apps, schema_editor):
    rules = apps.get_model("catalog", "PriceLawRule").objects
    for country, law in ALLOWED.items():
        rules.filter(country=country, source=SEEDED, progressive_reductions_allowed=False).update(
            progressive_reductions_allowed=True, source=f"{SEEDED}; {law}"
        )


class Migration(migrations.Migration):
    dependencies = [("catalog", "0018_lowest_offers")]
    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]
