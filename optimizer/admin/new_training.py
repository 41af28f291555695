"""The form that has a channel's demand learned anew."""

from functools import partial

from django import forms
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from catalog.models import Channel
from optimizer.forecast_words import method_words
from optimizer.models import ElasticityFit, ForecastStep, TrainingJob
from optimizer.services.open_training import NETWORKS, CannotTrain, open_fit, open_forecaster
from optimizer.tasks import run_training


class TrainingForm(forms.Form):
    channel = forms.ModelChoiceField(Channel.objects, widget=UnfoldAdminSelectWidget())
    kind = forms.ChoiceField(
        label="What is to be learned",
        choices=[(kind.value, kind.label) for kind in (TrainingJob.Kind.FIT, TrainingJob.Kind.FORECAST)],
        initial=TrainingJob.Kind.FIT,
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    method = forms.ChoiceField(
        label="Method of elasticities",
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

    step = forms.ChoiceField(
        label="Step of a forecaster",
        choices=ForecastStep.choices,
        required=False,
        initial=ForecastStep.DAY,
        widget=UnfoldAdminSelectWidget(),
    )
    network = forms.ChoiceField(
        label="Network of a forecaster",
        choices=[(name, method_words(name)) for name in NETWORKS],
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )

    def open_job(self, author: User) -> TrainingJob | None:
        """Open what the valid form asks for and send it to the workers; None where the form now says what is wrong."""
        try:
            job = self._opened(author)
        except CannotTrain as error:
            self.add_error(error.field, str(error))
            return None
        # Robust: where the queue is away the job is there all the same, and the beat sends it again.
        transaction.on_commit(partial(run_training.delay, job.pk), robust=True)
        return job

    def _opened(self, author: User) -> TrainingJob:
        chosen = self.cleaned_data
        if chosen["kind"] == TrainingJob.Kind.FORECAST:
            return open_forecaster(
                channel=chosen["channel"],
                step=chosen["step"] or ForecastStep.DAY,
                network=chosen["network"] or NETWORKS[0],
                author=author,
                now=timezone.now(),
            )
        return open_fit(
            channel=chosen["channel"],
            method=chosen["method"] or None,
            causal_prior=chosen["causal_prior"],
            author=author,
            now=timezone.now(),
        )
