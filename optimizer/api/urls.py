from django.urls import path

from optimizer.api import (
    forecast_views,
    markdown_views,
    model_views,
    rollback_views,
    simulation_views,
    training_views,
    views,
)

urlpatterns = [
    path("prices/<str:sku>/explanation", views.ExplanationView.as_view()),
    path("optimization-runs", views.RunListView.as_view()),
    path("optimization-runs/<uuid:run_id>", views.RunView.as_view()),
    path("optimization-runs/<uuid:run_id>/results", views.RunResultsView.as_view()),
    path("optimization-runs/<uuid:run_id>/errors", views.RunErrorsView.as_view()),
    path("optimization-runs/<uuid:run_id>/release", views.ReleaseRunView.as_view()),
    path("optimization-runs/<uuid:run_id>/rollback", rollback_views.RunRollbackView.as_view()),
    path("forecasts/<str:sku>", forecast_views.ForecastView.as_view()),
    path("models", model_views.ModelListView.as_view()),
    path("models/<int:model_id>", model_views.ModelView.as_view()),
    path("models/<int:model_id>/evaluate", model_views.EvaluateModelView.as_view()),
    path("models/<int:model_id>/promote", model_views.PromoteModelView.as_view()),
    path("training-jobs", training_views.TrainingListView.as_view()),
    path("training-jobs/<int:job_id>", training_views.TrainingView.as_view()),
    path("simulations", simulation_views.SimulationListView.as_view()),
    path("simulations/<uuid:run_id>", simulation_views.SimulationView.as_view()),
    path("simulations/<uuid:run_id>/diff", simulation_views.SimulationDiffView.as_view()),
    path("simulations/<uuid:run_id>/promote", simulation_views.PromoteSimulationView.as_view()),
    path("markdown-plans", markdown_views.MarkdownPlanListView.as_view()),
    path("markdown-plans/preview", markdown_views.MarkdownPreviewView.as_view()),
    path("markdown-plans/<int:plan_id>", markdown_views.MarkdownPlanView.as_view()),
    path("markdown-plans/<int:plan_id>/cancel", markdown_views.MarkdownCancelView.as_view()),
]
