from django.urls import path

from optimizer.api import markdown_views, views

urlpatterns = [
    path("prices/<str:sku>/explanation", views.ExplanationView.as_view()),
    path("optimization-runs", views.RunListView.as_view()),
    path("optimization-runs/<uuid:run_id>", views.RunView.as_view()),
    path("optimization-runs/<uuid:run_id>/results", views.RunResultsView.as_view()),
    path("optimization-runs/<uuid:run_id>/errors", views.RunErrorsView.as_view()),
    path("markdown-plans", markdown_views.MarkdownPlanListView.as_view()),
    path("markdown-plans/preview", markdown_views.MarkdownPreviewView.as_view()),
    path("markdown-plans/<int:plan_id>", markdown_views.MarkdownPlanView.as_view()),
    path("markdown-plans/<int:plan_id>/cancel", markdown_views.MarkdownCancelView.as_view()),
]
