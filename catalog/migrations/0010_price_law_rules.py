"""Rules of the EU's 27 members and of the EEA's other three.

All: Directive 98/6/EC Art. 6a (inserted by Directive (EU) 2019/2161), as read in CJEU C-330/23: 30 days, and an
announced percentage is computed from the prior price. In the EEA by Joint Committee decisions on Directive 2019/2161.

Progressive reductions (Art. 6a(5)) are an option of national law. They are allowed here only where the national text is
known to say so: § 11(2) PAngV (DE), § 9a PrAG (AT), L112-1-1 Code de la consommation (FR), art. 17-bis Codice del
consumo (IT). Elsewhere the stricter reading stands until somebody who knows the country's law changes the row.

GB has no row: it left the EU before the amendment applied and has no statutory window of 30 days. There the general
prohibition of misleading prices stands, which no number judges.
"""

import django.core.validators
from django.db import migrations, models

import catalog.models.price_law

ZONES = {
    "AT": "Europe/Vienna", "BE": "Europe/Brussels", "BG": "Europe/Sofia", "CY": "Asia/Nicosia", "CZ": "Europe/Prague",
    "DE": "Europe/Berlin", "DK": "Europe/Copenhagen", "EE": "Europe/Tallinn", "ES": "Europe/Madrid",
    "FI": "Europe/Helsinki", "FR": "Europe/Paris", "GR": "Europe/Athens", "HR": "Europe/Zagreb",
    "HU": "Europe/Budapest", "IE": "Europe/Dublin", "IT": "Europe/Rome", "LT": "Europe/Vilnius",
    "LU": "Europe/Luxembourg", "LV": "Europe/Riga", "MT": "Europe/Malta", "NL": "Europe/Amsterdam",
    "PL": "Europe/Warsaw", "PT": "Europe/Lisbon", "RO": "Europe/Bucharest", "SE": "Europe/Stockholm",
    "SI": "Europe/Ljubljana", "SK": "Europe/Bratislava",
    "IS": "Atlantic/Reykjavik", "LI": "Europe/Vaduz", "NO": "Europe/Oslo",
}
PROGRESSIVE = {
    "AT": "§ 9a PrAG", "DE": "§ 11(2) PAngV", "FR": "L112-1-1 Code de la consommation",
    "IT": "art. 17-bis Codice del consumo",
}


def seed(apps, schema_editor):
    rule = apps.get_model("catalog", "PriceLawRule")
    rule.objects.bulk_create(
        rule(
            country=country,
            time_zone=zone,
            progressive_reductions_allowed=country in PROGRESSIVE,
            source="; ".join(filter(None, ["Directive 98/6/EC Art. 6a", PROGRESSIVE.get(country)])),
        )
        for country, zone in ZONES.items()
    )


class Migration(migrations.Migration):
    dependencies = [("catalog", "0009_ledger_chain")]
    operations = [
        migrations.CreateModel(
            name="PriceLawRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("country", models.CharField(help_text="ISO 3166 code, as in the channel.", max_length=2, unique=True, validators=[django.core.validators.RegexValidator("^[A-Z]{2}$", "Use an ISO 3166 code such as DE.")])),
                ("window_days", models.PositiveSmallIntegerField(default=30, help_text="Days before a reduction whose lowest price is the prior price; in the EU at least 30.", validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)])),
                ("prior_price_required", models.BooleanField(default=True, help_text="Without it the prior price is reported, and no announcement is judged.")),
                ("progressive_reductions_allowed", models.BooleanField(default=False, help_text="A reduction that deepens step by step keeps the prior price of before its first step.")),
                ("time_zone", models.CharField(help_text="In which days are counted, such as Europe/Berlin.", max_length=64, validators=[catalog.models.price_law.validate_time_zone])),
                ("source", models.CharField(blank=True, help_text="The law that says so.", max_length=300)),
            ],
            options={"verbose_name": "price law", "ordering": ["country"]},
        ),
        migrations.AddConstraint(
            model_name="pricelawrule",
            constraint=models.CheckConstraint(condition=models.Q(("window_days__gte", 1), ("window_days__lte", 365)), name="price_law_window"),
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
