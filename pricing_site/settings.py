"""Deployment facts, all from the environment. Business policy lives in the database, where people change it."""

from pathlib import Path

import environ
from celery.schedules import crontab

from pricing_site.unfold import UNFOLD as UNFOLD

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = env("SECRET_KEY", default="")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

DATABASE_URL = env("DATABASE_URL", default="")
REDIS_URL = env("REDIS_URL", default="")
KAFKA_BOOTSTRAP_SERVERS = env("KAFKA_BOOTSTRAP_SERVERS", default="")
KAFKA_API_VERSION = tuple(int(part) for part in env.list("KAFKA_API_VERSION", default=[])) or None
KAFKA_TOPIC_PREFIX = env("KAFKA_TOPIC_PREFIX", default="")
STREAM_METRICS_PORT = env.int("STREAM_METRICS_PORT", default=0)
STREAM_MAX_LAG = env.int("STREAM_MAX_LAG", default=10_000)
# Outcomes of one epoch are not told apart by age; change of demand is looked for from one epoch to the next.
BANDIT_EPOCH_SECONDS = env.int("BANDIT_EPOCH_SECONDS", default=3600)

# Where a lower floor asks a higher one, which it may not import.
HELD_OUT_LISTINGS = "experiments.selectors.holdouts.held_out_listings"
EXPERIMENT_SUBSTITUTES = "optimizer.selectors.cross_elasticities.substitute_pairs"

DEFAULT_CHANNEL = env("DEFAULT_CHANNEL", default="web")
PRICE_CACHE_TTL_SECONDS = env.int("PRICE_CACHE_TTL_SECONDS", default=300)
# How long prices go on being served from the cache while Postgres is away.
PRICE_CACHE_GRACE_SECONDS = env.int("PRICE_CACHE_GRACE_SECONDS", default=86_400)
# Of one request; what Django itself keeps in memory is limited to the same.
MAX_REQUEST_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("MAX_REQUEST_BYTES", default=5_000_000)
# The first signs, all verify; where none is set, keys follow from SECRET_KEY and SECRET_KEY_FALLBACKS.
QUOTE_SIGNING_KEYS = env.list("QUOTE_SIGNING_KEYS", default=[])
QUOTE_PAGE_SECONDS = env.int("QUOTE_PAGE_SECONDS", default=30 * 60)
QUOTE_CART_SECONDS = env.int("QUOTE_CART_SECONDS", default=48 * 60 * 60)
FEATURES_REFRESH_SECONDS = env.int("FEATURES_REFRESH_SECONDS", default=300)
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=120_000)
PRICING_DEVICE = env("PRICING_DEVICE", default="auto")
DEMO_HOME = Path(env("DEMO_HOME", default=str(BASE_DIR / "var" / "demo")))

INSTALLED_APPS = [
    "unfold",
    "pricing_site.apps.PricingSiteConfig",
    "catalog.apps.CatalogConfig",
    "experiments.apps.ExperimentsConfig",
    "optimizer.apps.OptimizerConfig",
    "streaming.apps.StreamingConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_prometheus",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "pricing_site.audit.record_admin_actions",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "pricing_site.urls"
ASGI_APPLICATION = "pricing_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# An empty URL is reported with its cure by pricing_site.checks; it must not stop `manage.py help`.
DATABASES = {
    "default": {
        **env.db_url_config(DATABASE_URL or "postgres://localhost/unset"),
        # Under ASGI every request has a thread of its own: a kept connection is never used again, only held.
        "CONN_MAX_AGE": 0,
        # A database that does not answer must not hold a shopper: the cache serves, or the answer is 503.
        "OPTIONS": {"connect_timeout": 3, "tcp_user_timeout": 5_000},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL or "redis://localhost:6379/0",
        "KEY_PREFIX": "django",
    }
}

CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="")
# A task that outlives the visibility timeout is delivered twice: keep it above the longest task (one chunk of a run).
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": env.int("CELERY_VISIBILITY_TIMEOUT_SECONDS", default=900),
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ROUTES = {
    "optimizer.tasks.refresh_feature_store": {"queue": "celery"},  # an exact name goes before a pattern
    "optimizer.tasks.open_scheduled_runs": {"queue": "celery"},
    "optimizer.tasks.publish_prices": {"queue": "celery"},
    "optimizer.tasks.train_models": {"queue": "celery"},
    "optimizer.tasks.resume_training": {"queue": "celery"},
    "optimizer.tasks.*": {"queue": "gpu"},
}
CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "resume-optimization-runs": {"task": "optimizer.tasks.resume_stalled_runs", "schedule": 60.0},
    "open-scheduled-runs": {
        "task": "optimizer.tasks.open_scheduled_runs",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "train-models": {
        "task": "optimizer.tasks.train_models",
        "schedule": crontab(hour=env.int("TRAIN_MODELS_AT_HOUR", default=1), minute=30),
        "options": {"expires": 3600},
    },
    "resume-training": {"task": "optimizer.tasks.resume_training", "schedule": 300.0, "options": {"expires": 300}},
    "warm-price-cache": {"task": "catalog.tasks.warm_price_cache", "schedule": 60.0},
    "apply-due-overrides": {"task": "catalog.tasks.apply_due_overrides", "schedule": 60.0, "options": {"expires": 60}},
    "replan-markdowns": {"task": "optimizer.tasks.replan_markdown_plans", "schedule": 3600.0},
    "ask-policies": {"task": "optimizer.tasks.ask_policies", "schedule": 3600.0, "options": {"expires": 3600}},
    "draw-holdouts": {"task": "experiments.tasks.draw_holdouts", "schedule": 3600.0, "options": {"expires": 3600}},
    "watch-experiments": {
        "task": "experiments.tasks.watch_experiments",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "expire-price-approvals": {"task": "catalog.tasks.expire_price_approvals", "schedule": 60.0},
    "refresh-feature-store": {
        "task": "optimizer.tasks.refresh_feature_store",
        "schedule": FEATURES_REFRESH_SECONDS,
        "options": {"expires": FEATURES_REFRESH_SECONDS},  # the next one does its work
    },
}

LOGIN_REDIRECT_URL = "/admin/"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static_root"
# Serves the packages' static files without a collectstatic step; a deployment that collects them is served those.
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_HSTS_SECONDS = 0 if DEBUG else env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=False) else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
X_FRAME_OPTIONS = "DENY"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "catalog.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["catalog.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["catalog.api.parsers.StrictJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["catalog.api.throttling.ApiKeyThrottle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "catalog.api.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Dynamic pricing engine",
    "VERSION": "1.0.0",
    "DESCRIPTION": "Prices that are learned, guarded, explained and served. "
    "Money is a decimal string with its currency. Errors are application/problem+json (RFC 9457).",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ApprovalStatusEnum": "catalog.models.approval.PriceApproval.Status",
        "ExperimentDecisionEnum": "experiments.models.price_experiment.PriceExperiment.Decision",
        "ExperimentMethodEnum": "experiments.models.price_experiment.PriceExperiment.Method",
        "ExperimentStatusEnum": "experiments.models.price_experiment.PriceExperiment.Status",
        "ForecastStepEnum": "optimizer.models.forecast.ForecastStep",
        "MarkdownStatusEnum": "optimizer.models.markdown.MarkdownPlan.Status",
        "MethodEnum": "optimizer.models.elasticity.ElasticityFit.Method",
        "OverrideKindEnum": "catalog.models.price_override.OverrideKind",
        "OverrideStatusEnum": "catalog.models.price_override.OverrideStatus",
        "OutcomeEnum": "optimizer.models.run.Recommendation.Outcome",
        "ReadoutDecisionEnum": "experiments.stats.inference.stopping.DECISIONS",
        "RunStatusEnum": "optimizer.models.run.OptimizationRun.Status",
        "ShopperOutcomeEnum": "streaming.api.serializers.OUTCOMES",
        "TrainingKindEnum": "optimizer.models.training.TrainingJob.Kind",
        "TrainingStatusEnum": "optimizer.models.training.TrainingJob.Status",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "catalog.api.schema.add_problems",
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
}
