"""Limits of a day, own sellers, versions of policies, and the loss floor held by the database, whoever writes.

Two triggers back the publish gate. No ledger row may carry a price below the listing's unit cost, and a listing's price
may only become that of a newer ledger row. A cost may rise above the price in force: that price stays until the listing
is priced again.
"""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

CREATE = """
CREATE FUNCTION catalog_price_covers_cost() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    cost numeric;
BEGIN
    SELECT unit_cost INTO cost FROM catalog_listing WHERE id = NEW.listing_id;
    IF NEW.price < cost THEN
        RAISE EXCEPTION 'price % of listing % is below its unit cost %: refused', NEW.price, NEW.listing_id, cost
            USING HINT = 'Raise the price, or correct the cost.', ERRCODE = 'check_violation',
                  CONSTRAINT = 'ledger_price_not_below_cost';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_price_not_below_cost BEFORE INSERT ON catalog_pricechange
    FOR EACH ROW EXECUTE FUNCTION catalog_price_covers_cost();

CREATE FUNCTION catalog_price_is_in_the_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    version_before bigint := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        version_before := OLD.price_version;
    END IF;
    IF NEW.price_version <= version_before OR NOT EXISTS (
        SELECT FROM catalog_pricechange
         WHERE listing_id = NEW.id AND version = NEW.price_version AND price = NEW.price
    ) THEN
        RAISE EXCEPTION 'price % of listing % is not that of a newer row of the ledger: refused', NEW.price, NEW.id
            USING HINT = 'Publish it through the gate.', ERRCODE = 'check_violation',
                  CONSTRAINT = 'listing_price_is_in_the_ledger';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER listing_price_change BEFORE UPDATE OF price, price_version ON catalog_listing FOR EACH ROW
    WHEN (NEW.price IS DISTINCT FROM OLD.price OR NEW.price_version <> OLD.price_version)
    EXECUTE FUNCTION catalog_price_is_in_the_ledger();
CREATE TRIGGER listing_first_price BEFORE INSERT ON catalog_listing FOR EACH ROW
    WHEN (NEW.price IS NOT NULL) EXECUTE FUNCTION catalog_price_is_in_the_ledger();
"""

KEEP_VERSIONS = """
CREATE FUNCTION catalog_policy_versions_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('pricing.ledger_may_be_emptied', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'versions of policies are append-only: % refused', TG_OP
        USING HINT = 'Save the policy anew instead; history is kept as it was.', ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER policy_version_no_change BEFORE UPDATE OR DELETE ON catalog_guardrailpolicyversion
    FOR EACH ROW EXECUTE FUNCTION catalog_policy_versions_are_append_only();
CREATE TRIGGER policy_version_no_truncate BEFORE TRUNCATE ON catalog_guardrailpolicyversion
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_policy_versions_are_append_only();
"""

FORGET_VERSIONS = """
DROP TRIGGER policy_version_no_truncate ON catalog_guardrailpolicyversion;
DROP TRIGGER policy_version_no_change ON catalog_guardrailpolicyversion;
DROP FUNCTION catalog_policy_versions_are_append_only();
"""

DROP = """
DROP TRIGGER listing_first_price ON catalog_listing;
DROP TRIGGER listing_price_change ON catalog_listing;
DROP FUNCTION catalog_price_is_in_the_ledger();
DROP TRIGGER ledger_price_not_below_cost ON catalog_pricechange;
DROP FUNCTION catalog_price_covers_cost();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0006_admin_action"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name="channel",
            name="own_sellers",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=100),
                blank=True,
                default=list,
                help_text="The shop's own names among competitors' offers, divided by commas: their offers are left"
                " out.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="guardrailpolicy",
            name="max_change_per_day",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="Largest change within 24 hours, against the price in force when they began, as a fraction.",
                max_digits=5,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(1),
                ],
            ),
        ),
        migrations.AddField(
            model_name="guardrailpolicy",
            name="max_changes_per_day",
            field=models.PositiveSmallIntegerField(
                blank=True, help_text="After so many changes within 24 hours the price stays as it is.", null=True
            ),
        ),
        migrations.AddConstraint(
            model_name="guardrailpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("max_change_per_day__isnull", True),
                    models.Q(("max_change_per_day__gte", 0), ("max_change_per_day__lte", 1)),
                    _connector="OR",
                ),
                name="policy_max_change_per_day_sane",
            ),
        ),
        migrations.AddField(
            model_name="guardrailpolicy",
            name="version",
            field=models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="What it says now is that version of its scope; 0: none was kept.",
            ),
        ),
        migrations.CreateModel(
            name="GuardrailPolicyVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "scope",
                    models.CharField(
                        help_text="As explanations name it: global, category:mugs, product:85123A.", max_length=80
                    ),
                ),
                ("version", models.PositiveIntegerField(help_text="1, 2, 3 … within the scope.")),
                (
                    "limits",
                    models.JSONField(
                        help_text="Every field of the policy; empty: no policy from here on.", null=True
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=300)),
                ("saved_at", models.DateTimeField()),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("scope", "version"), name="policy_version_once")
                ],
            },
        ),
        migrations.RunSQL(CREATE, DROP),
        migrations.RunSQL(KEEP_VERSIONS, FORGET_VERSIONS),
    ]
