from pathlib import Path

from millrace.schedules import crontab

BASE_DIR = Path(__file__).parent.parent
SECRET_KEY = "an example"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["orders", "millrace.contrib.django"]
ROOT_URLCONF = "shop.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "shop.db"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "Europe/Vienna"

CELERY_BROKER_URL = f"sqlite:///{BASE_DIR}/jobs.db"
CELERY_TIMEZONE = TIME_ZONE
CELERY_TASK_TIME_LIMIT = 60
CELERY_BEAT_SCHEDULE = {
    "tidy up": {"task": "orders.tasks.tidy_up", "schedule": crontab(minute=30, hour=3)},
}

# Django's own tasks run on the same store and the same workers.
TASKS = {
    "default": {
        "BACKEND": "millrace.contrib.django.tasks.MillraceBackend",
        "OPTIONS": {"app": "shop.celery:app"},
    }
}
