"""Chain the price ledger: each row holds the hash of the row before it and its own, which the database computes.

A row's hash is the SHA-256 of the hash before it and its content: all columns that are not null as JSON, with keys and
times written one way only, then the explanation. A nullable column that is added later leaves the hashes of older rows
as they are; a column with another default would not.
"""

from django.db import migrations, models

# Once in Python too: `catalog.selectors.ledger_faults.CONTENT_SQL`. This one is frozen.
CREATE = r"""
CREATE FUNCTION catalog_ledger_chain() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    last record;
BEGIN
    SELECT version, row_hash INTO last FROM catalog_pricechange
     WHERE listing_id = NEW.listing_id ORDER BY version DESC LIMIT 1;
    IF NEW.version <> coalesce(last.version, 0) + 1 THEN
        RAISE EXCEPTION 'the price ledger has no gaps: version % of listing % does not follow version %',
            NEW.version, NEW.listing_id, coalesce(last.version, 0)
            USING HINT = 'Publish through the gate, which counts versions with the listing locked.',
                  ERRCODE = 'check_violation';
    END IF;
    NEW.previous_hash := coalesce(last.row_hash, decode(repeat('00', 32), 'hex'));
    NEW.row_hash := sha256(NEW.previous_hash || convert_to(
        jsonb_strip_nulls(to_jsonb(NEW) - '{explanation,previous_hash,row_hash}'::text[])::text
        || NEW.explanation::text, 'UTF8'));
    RETURN NEW;
END $$;

-- Rows that are there already, version by version, so that each finds the hash of the one before it.
ALTER TABLE catalog_pricechange DISABLE TRIGGER ledger_no_change;
DO $$
DECLARE
    change record;
    listing bigint := 0;
    hash bytea;
    zero CONSTANT bytea := decode(repeat('00', 32), 'hex');
BEGIN
    PERFORM set_config('timezone', 'UTC', true);
    FOR change IN SELECT * FROM catalog_pricechange ORDER BY listing_id, version LOOP
        IF change.listing_id <> listing THEN
            listing := change.listing_id;
            hash := zero;
        END IF;
        UPDATE catalog_pricechange SET previous_hash = hash, row_hash = sha256(hash || convert_to(
            jsonb_strip_nulls(to_jsonb(change) - '{explanation,previous_hash,row_hash}'::text[])::text
            || change.explanation::text, 'UTF8'))
         WHERE id = change.id RETURNING row_hash INTO hash;
    END LOOP;
END $$;
ALTER TABLE catalog_pricechange ENABLE TRIGGER ledger_no_change;

CREATE TRIGGER ledger_chain BEFORE INSERT ON catalog_pricechange
    FOR EACH ROW EXECUTE FUNCTION catalog_ledger_chain();
"""

DROP = """
DROP TRIGGER ledger_chain ON catalog_pricechange;
DROP FUNCTION catalog_ledger_chain();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0008_price_relations")]
    operations = [
        migrations.AddField(
            "pricechange", "previous_hash", models.BinaryField(db_default=b"", editable=False, max_length=32)
        ),
        migrations.AddField(
            "pricechange", "row_hash", models.BinaryField(db_default=b"", editable=False, max_length=32)
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
