from django.urls import path

from catalog.api import (
    approval_views,
    history_views,
    kill_switch_views,
    override_views,
    quote_views,
    views,
)

urlpatterns = [
    path("prices:batch", views.PriceBatchView.as_view()),
    path("prices/<str:sku>", views.PriceView.as_view()),
    path("prices/<str:sku>/as-of", history_views.PriceAsOfView.as_view()),
    path("prices/<str:sku>/history", views.PriceHistoryView.as_view()),
    path("price-overrides", override_views.OverrideListView.as_view()),
    path("price-overrides/<int:override_id>", override_views.OverrideView.as_view()),
    path("quotes", quote_views.QuoteView.as_view()),
    path("quotes:verify", quote_views.QuoteVerificationView.as_view()),
    path("price-approvals", approval_views.PriceApprovalListView.as_view()),
    path("price-approvals/<int:approval_id>/approve", approval_views.ApproveView.as_view()),
    path("price-approvals/<int:approval_id>/reject", approval_views.RejectView.as_view()),
    path("kill-switches", kill_switch_views.KillSwitchListView.as_view()),
    path("kill-switches/<int:switch_id>", kill_switch_views.KillSwitchView.as_view()),
    path("products", views.ProductListView.as_view()),
]
