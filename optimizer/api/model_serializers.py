from typing import Any, ClassVar, Final

from rest_framework import serializers

from optimizer.models import ElasticityFit

VERDICT: Final = (
    "How it did on held-out weeks against the model that was live then: `passes`, `words`, `comparison`. How far to "
    "trust it: `calibration`, the share of held-out weeks in its intervals; `recovery`, how near its method came to "
    "the truth of simulated sales (`whole`, `thirds` by price variation, `points` of true and estimated elasticity "
    "and its sd); `backtest`, its error from several origins beside simple methods (`origins`, `comparisons`). A key "
    "is missing where there are too few sales for it."
)


class ModelSerializer(serializers.ModelSerializer[ElasticityFit]):
    name = serializers.CharField(source="__str__", help_text="As explanations and kill switches name it.")
    channel = serializers.CharField(source="channel.code")
    is_live = serializers.SerializerMethodField(help_text="Whether runs of the channel price with it now.")
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    promoted_by = serializers.CharField(source="promoted_by.username", default=None, allow_null=True)

    class Meta:
        model = ElasticityFit
        fields = [
            "id", "name", "channel", "method", "config", "data_from", "data_to", "created_at", "created_by", "seconds",
            "device", "diagnostics", "verdict", "is_live", "promoted_at", "promoted_by",
        ]  # fmt: skip
        extra_kwargs: ClassVar = {"verdict": {"help_text": VERDICT}}

    def get_is_live(self, fit: Any) -> bool:
        return bool(fit.pk == fit.live_pk)
