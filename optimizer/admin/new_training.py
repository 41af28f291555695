"""The form that has a channel's demand learned anew."""

from functools import partial

from django import forms
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from catalog.models import Channel
from optimizer.models import ElasticityFit, TrainingJob
from optimizer.services.open_training import CannotTrain, open_fit
from optimizer.tasks import run_training


class TrainingForm(forms.Form):
    channel = forms.ModelChoiceField(Channel.objects, widget=UnfoldAdminSelectWidget())
    method = forms.ChoiceField(
        choices=[("", "as the live model"), *ElasticityFit.Method.choices],
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    causal_prior = forms.BooleanField(
        label="Begin with the newest causal estimate",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="For SKUs that share what they know. An operator makes one with manage.py estimate_causal.",
    )

    def open_job(self, author: User) -> TrainingJob | None:
        """Open what the valid form asks for and send it to the workers; None where the form now says what is wrong."""
        try:
            job = open_fit(
                channel=self.cleaned_data["channel"],
                method=self.cleaned_data["method"] or None,
                causal_prior=self.cleaned_data["causal_prior"],
                author=author,
                now=timezone.now(),
            )
        except CannotTrain as error:
            self.add_error(error.field, str(error))
            return None
        # Robust: where the queue is away the job is there all the same, and the beat sends it again.
        transaction.on_commit(partial(run_training.delay, job.pk), robust=True)
        return job
