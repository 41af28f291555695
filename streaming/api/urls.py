from django.urls import path

from streaming.api import views

urlpatterns = [
    path("decisions", views.DecisionView.as_view()),
    path("outcomes", views.OutcomesView.as_view()),
]
