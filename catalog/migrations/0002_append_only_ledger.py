"""The price ledger is append-only, whoever writes: the database refuses UPDATE, DELETE and TRUNCATE.

Test runners empty tables between tests; they may, on a database where ``pricing.ledger_may_be_emptied`` is set.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION catalog_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('pricing.ledger_may_be_emptied', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the price ledger is append-only: % refused', TG_OP
        USING HINT = 'Publish a new price instead; history is kept as it was.', ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE ON catalog_pricechange
    FOR EACH ROW EXECUTE FUNCTION catalog_ledger_is_append_only();
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON catalog_pricechange
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_ledger_is_append_only();
"""

DROP = """
DROP TRIGGER ledger_no_change ON catalog_pricechange;
DROP TRIGGER ledger_no_truncate ON catalog_pricechange;
DROP FUNCTION catalog_ledger_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
