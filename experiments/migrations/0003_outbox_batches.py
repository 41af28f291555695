"""One row of the outbox holds the messages of a transaction to a topic; a decision that expired counts as a rejection.

What waited in the old outbox is moved, not lost. Decisions that expired before had taught nothing: each is counted now,
so that an outcome in time may still take its rejection back.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

MOVE_SQL = """
INSERT INTO experiments_outboxbatch (topic, keys, values, created_at)
SELECT topic, ARRAY[key], ARRAY[convert_to(payload::text, 'UTF8')], created_at FROM experiments_outboxmessage ORDER BY id
"""
COUNT_SQL = """
UPDATE experiments_banditarm arm SET beta = arm.beta + expired.number
  FROM (SELECT arm_id, count(*) AS number FROM experiments_pricingdecision WHERE state = 'expired' GROUP BY arm_id) expired
 WHERE arm.id = expired.arm_id
"""


class Migration(migrations.Migration):

    dependencies = [
        ('experiments', '0002_choice_sets'),
    ]

    operations = [
        migrations.CreateModel(
            name='OutboxBatch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.CharField(help_text="Without the deployment's prefix.", max_length=249)),
                ('keys', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=300), size=None)),
                ('values', django.contrib.postgres.fields.ArrayField(base_field=models.BinaryField(), help_text='As many as keys.', size=None)),
                ('replay_of', models.BigIntegerField(help_text='The dead letter that is sent once more.', null=True)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'verbose_name_plural': 'outbox batches',
            },
        ),
        migrations.RunSQL(MOVE_SQL, migrations.RunSQL.noop),
        migrations.RunSQL(COUNT_SQL, migrations.RunSQL.noop),
        migrations.DeleteModel(
            name='OutboxMessage',
        ),
        migrations.AddField(
            model_name='deadletter',
            name='replay_of',
            field=models.ForeignKey(help_text='The letter that failed here again.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='experiments.deadletter'),
        ),
        migrations.AddField(
            model_name='deadletter',
            name='replayed_at',
            field=models.DateTimeField(help_text='When it was sent once more.', null=True),
        ),
        migrations.AlterField(
            model_name='pricingdecision',
            name='state',
            field=models.CharField(choices=[('waiting', 'waiting for its outcome'), ('purchased', 'Purchased'), ('rejected', 'Rejected'), ('expired', 'expired: counted as a rejection')], default='waiting', max_length=16, verbose_name='outcome'),
        ),
    ]
