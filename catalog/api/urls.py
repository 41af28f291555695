from django.urls import path

from catalog.api import override_views, quote_views, views

urlpatterns = [
    path("prices:batch", views.PriceBatchView.as_view()),
    path("prices/<str:sku>", views.PriceView.as_view()),
    path("prices/<str:sku>/history", views.PriceHistoryView.as_view()),
    path("price-overrides", override_views.OverrideListView.as_view()),
    path("price-overrides/<int:override_id>", override_views.OverrideView.as_view()),
    path("quotes", quote_views.QuoteView.as_view()),
    path("quotes:verify", quote_views.QuoteVerificationView.as_view()),
    path("products", views.ProductListView.as_view()),
]
