from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from pricing_site import health
from pricing_site.metrics import metrics

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("catalog.api.urls")),
    path("api/v1/", include("experiments.api.urls")),
    path("api/v1/", include("optimizer.api.urls")),
    path("api/v1/", include("streaming.api.urls")),
    path("api/v1/openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("api/v1/docs/", SpectacularSwaggerView.as_view(url_name="openapi")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", metrics),
]

handler404 = "pricing_site.errors.not_found"
handler500 = "pricing_site.errors.internal_error"
