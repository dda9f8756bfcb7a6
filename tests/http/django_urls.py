"""The URL configuration of the Django projects that a test serves."""

from __future__ import annotations

from django.urls import clear_url_caches, path

from lifecycle.providers.instacart.receiver import Receiver, SyncReceiver
from lifecycle.providers.instacart.receiver.django import async_view, view

urlpatterns = []


def serve(receiver: SyncReceiver) -> None:
    urlpatterns[:] = [path("provider/<path:rest>", view(receiver))]
    clear_url_caches()


def serve_async(receiver: Receiver) -> None:
    urlpatterns[:] = [path("provider/<path:rest>", async_view(receiver))]
    clear_url_caches()
