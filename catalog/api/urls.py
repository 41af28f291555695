from django.urls import path

from catalog.api import views

urlpatterns = [
    path("prices:batch", views.PriceBatchView.as_view()),
    path("prices/<str:sku>", views.PriceView.as_view()),
    path("prices/<str:sku>/history", views.PriceHistoryView.as_view()),
    path("products", views.ProductListView.as_view()),
]
