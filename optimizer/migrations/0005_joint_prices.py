from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("optimizer", "0004_markdown_plans")]
    operations = [
        migrations.AddField(
            model_name="optimizationrun",
            name="groups_solved_at",
            field=models.DateTimeField(help_text="When related products got their joint prices.", null=True),
        ),
    ]
