"""The Celery application. For GPUs: a worker with one child a GPU, queue ``gpu``, CUDA_VISIBLE_DEVICES set."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pricing_site.settings")

app = Celery("pricing_site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Web threads that send a task must find this application too, not Celery's unconfigured default.
app.set_default()
