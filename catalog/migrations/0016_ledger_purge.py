"""Let a recorded purge, and nothing else, take old rows out of the ledger.

A transaction names its `LedgerPurge` in ``pricing.ledger_purge``. A row may go only if that purge covers its listing and a newer
row, at or before the cut-off, stays. The record itself is append-only.
"""

from django.db import migrations, models

GUARD = """
CREATE OR REPLACE FUNCTION catalog_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('pricing.ledger_may_be_emptied', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME LIKE 'catalog_pricechange%'
       AND coalesce(current_setting('pricing.ledger_purge', true), '') <> '' THEN
        PERFORM 1 FROM catalog_ledgerpurge purge
          WHERE purge.id = current_setting('pricing.ledger_purge')::bigint
            AND OLD.listing_id BETWEEN purge.first_listing AND purge.last_listing
            AND EXISTS (SELECT 1 FROM catalog_pricechange newer
                         WHERE newer.listing_id = OLD.listing_id AND newer.version > OLD.version
                           AND newer.valid_from <= purge.cut_off);
        IF FOUND THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the price ledger is append-only: % refused', TG_OP
        USING HINT = 'Publish a new price instead; history is kept as it was.', ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_purge_no_change BEFORE UPDATE OR DELETE ON catalog_ledgerpurge
    FOR EACH ROW EXECUTE FUNCTION catalog_ledger_is_append_only();
CREATE TRIGGER ledger_purge_no_truncate BEFORE TRUNCATE ON catalog_ledgerpurge
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_ledger_is_append_only();
"""
RELEASE = """
CREATE OR REPLACE FUNCTION catalog_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('pricing.ledger_may_be_emptied', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the price ledger is append-only: % refused', TG_OP
        USING HINT = 'Publish a new price instead; history is kept as it was.', ERRCODE = 'restrict_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0015_kill_switch_and_approval")]
    operations = [
        migrations.CreateModel(
            name="LedgerPurge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("made_at", models.DateTimeField()),
                ("made_by", models.CharField(help_text="Who had it done.", max_length=150)),
                ("cut_off", models.DateTimeField(help_text="Every price in force at or after it can still be judged.")),
                ("first_listing", models.BigIntegerField()),
                ("last_listing", models.BigIntegerField()),
                ("rows", models.PositiveBigIntegerField(help_text="Number of rows removed.")),
                ("digest", models.CharField(help_text="SHA-256 over listing, version and hash of each row removed.", max_length=64)),
            ],
            options={
                "indexes": [models.Index(fields=["first_listing", "last_listing"], name="ledger_purge_listings")],
                "constraints": [models.CheckConstraint(condition=models.Q(("first_listing__lte", models.F("last_listing"))), name="ledger_purge_range")],
            },
        ),
        migrations.RunSQL(GUARD, RELEASE),
    ]
