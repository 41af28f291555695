"""What an experiment served is history as well: its arms are kept as they were, and it ends once.

The prior price of a reduction counts them. Functions and their exception for test runners are as in migration 0002.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION catalog_experiment_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NULL AND NEW.ended_at >= OLD.started_at
       AND to_jsonb(NEW) - 'ended_at' = to_jsonb(OLD) - 'ended_at' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a served experiment is kept as it was: % refused', TG_OP
        USING HINT = 'End it, once; begin another one for other prices.', ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER experiment_only_ends BEFORE UPDATE ON catalog_servedexperiment
    FOR EACH ROW EXECUTE FUNCTION catalog_experiment_only_ends();
CREATE TRIGGER experiment_no_delete BEFORE DELETE ON catalog_servedexperiment
    FOR EACH ROW EXECUTE FUNCTION catalog_ledger_is_append_only();
CREATE TRIGGER experiment_no_truncate BEFORE TRUNCATE ON catalog_servedexperiment
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_ledger_is_append_only();
CREATE TRIGGER arm_no_change BEFORE UPDATE OR DELETE ON catalog_servedarm
    FOR EACH ROW EXECUTE FUNCTION catalog_ledger_is_append_only();
CREATE TRIGGER arm_no_truncate BEFORE TRUNCATE ON catalog_servedarm
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_ledger_is_append_only();
"""

DROP = """
DROP TRIGGER arm_no_truncate ON catalog_servedarm;
DROP TRIGGER arm_no_change ON catalog_servedarm;
DROP TRIGGER experiment_no_truncate ON catalog_servedexperiment;
DROP TRIGGER experiment_no_delete ON catalog_servedexperiment;
DROP TRIGGER experiment_only_ends ON catalog_servedexperiment;
DROP FUNCTION catalog_experiment_only_ends();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0016_ledger_purge")]
    operations = [migrations.RunSQL(CREATE, DROP)]
