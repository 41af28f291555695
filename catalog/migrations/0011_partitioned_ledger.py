"""Divide the price ledger into 16 partitions by a hash of the listing.

The table is copied into a new one of the same columns, with the hashes that the rows have, and takes its place in the same
transaction; publishing waits meanwhile. The primary key becomes (id, listing_id), as Postgres wants the partition's
column in it; models go on knowing ``id``, which one sequence gives out. No table refers to the ledger.
"""

from django.db import migrations

PARTITIONS = 16

REBUILD = """
LOCK TABLE catalog_pricechange IN ACCESS EXCLUSIVE MODE;
ALTER TABLE catalog_pricechange RENAME TO catalog_pricechange_before;
ALTER SEQUENCE catalog_pricechange_id_seq RENAME TO catalog_pricechange_before_id_seq;
CREATE TABLE catalog_pricechange (
    LIKE catalog_pricechange_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING IDENTITY
) {partition_by};
{create_partitions}
INSERT INTO catalog_pricechange SELECT * FROM catalog_pricechange_before ORDER BY listing_id, version;
SELECT setval('catalog_pricechange_id_seq', last_value, is_called) FROM catalog_pricechange_before_id_seq;
DROP TABLE catalog_pricechange_before;

ALTER TABLE catalog_pricechange
    ADD CONSTRAINT catalog_pricechange_pkey PRIMARY KEY ({key}),
    ADD CONSTRAINT ledger_version_once UNIQUE (listing_id, version),
    ADD CONSTRAINT ledger_decision_once UNIQUE (listing_id, idempotency_key),
    ADD CONSTRAINT catalog_pricechange_author_id_d2363e57_fk_auth_user_id
        FOREIGN KEY (author_id) REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT catalog_pricechange_listing_id_d0156006_fk_catalog_listing_id
        FOREIGN KEY (listing_id) REFERENCES catalog_listing (id) DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX catalog_pricechange_author_id_d2363e57 ON catalog_pricechange (author_id);
CREATE INDEX catalog_pricechange_listing_id_d0156006 ON catalog_pricechange (listing_id);
CREATE INDEX ledger_history ON catalog_pricechange (listing_id, valid_from DESC);
CREATE INDEX ledger_run ON catalog_pricechange (run_id);
CREATE INDEX ledger_source ON catalog_pricechange (source, id DESC);

CREATE TRIGGER ledger_price_not_below_cost BEFORE INSERT ON catalog_pricechange
    FOR EACH ROW EXECUTE FUNCTION catalog_price_covers_cost();
CREATE TRIGGER ledger_chain BEFORE INSERT ON catalog_pricechange
    FOR EACH ROW EXECUTE FUNCTION catalog_ledger_chain();
CREATE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE ON catalog_pricechange
    FOR EACH ROW EXECUTE FUNCTION catalog_ledger_is_append_only();
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON catalog_pricechange
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_ledger_is_append_only();
"""
NAMES = [f"catalog_pricechange_p{number:02}" for number in range(PARTITIONS)]
CREATE_PARTITIONS = "\n".join(
    f"CREATE TABLE {name} PARTITION OF catalog_pricechange FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number});"
    for number, name in enumerate(NAMES)
)
# Row triggers are Postgres's to copy to partitions; those of whole statements are not, and a partition can be emptied too.
GUARD_PARTITIONS = "\n".join(
    f"CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON {name} "
    "FOR EACH STATEMENT EXECUTE FUNCTION catalog_ledger_is_append_only();"
    for name in NAMES
)
PARTITION = (
    REBUILD.format(
        partition_by="PARTITION BY HASH (listing_id)", create_partitions=CREATE_PARTITIONS, key="id, listing_id"
    )
    + GUARD_PARTITIONS
)
UNITE = REBUILD.format(partition_by="", create_partitions="", key="id")


class Migration(migrations.Migration):
    dependencies = [("catalog", "0010_price_law_rules"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunSQL(PARTITION, UNITE)]
