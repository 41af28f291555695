from django.urls import path

from experiments.api import views

urlpatterns = [path("bandit-evaluations", views.BanditEvaluationView.as_view())]
