"""The URL configuration of the Django projects that tests serve, and their settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import django
from django.conf import settings
from django.urls import clear_url_caches, path

urlpatterns: list[Any] = []


def set_up() -> None:
    """Set Django up, once for the process."""
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None)
        django.setup()


def use(patterns: Iterable[Any]) -> None:
    """Serve other URLs from now on."""
    urlpatterns[:] = patterns
    clear_url_caches()


def serve(view: Callable[..., Any]) -> None:
    """Serve one view below `/provider`."""
    use([path("provider/<path:rest>", view)])
