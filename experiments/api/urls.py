from django.urls import path

from experiments.api import event_views, experiment_views, readout_views, views

urlpatterns = [
    path("bandit-evaluations", views.BanditEvaluationView.as_view()),
    path("experiments", experiment_views.ExperimentListView.as_view()),
    path("experiments/<slug:code>", experiment_views.ExperimentView.as_view()),
    path("experiments/<slug:code>/plan", experiment_views.PlanView.as_view()),
    path("experiments/<slug:code>/submit", experiment_views.SubmitView.as_view()),
    path("experiments/<slug:code>/start", experiment_views.StartView.as_view()),
    path("experiments/<slug:code>/stop", experiment_views.StopView.as_view()),
    path("experiments/<slug:code>/withdraw", experiment_views.WithdrawView.as_view()),
    path("experiments/<slug:code>/decide", experiment_views.DecideView.as_view()),
    path("experiments/<slug:code>/exposures", event_views.ExposuresView.as_view()),
    path("experiments/<slug:code>/outcomes", event_views.ExperimentOutcomesView.as_view()),
    path("experiments/<slug:code>/readout", readout_views.ReadoutView.as_view()),
    path("experiments/<slug:code>/readout.html", readout_views.ReadoutFileView.as_view()),
]
