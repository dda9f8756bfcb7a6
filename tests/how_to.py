"""The bodies of the provider's how-to on asynchronous creation, verbatim."""

from __future__ import annotations

import json
from typing import Any

REQUEST = """
{
"order_id": "xyz123456",
"service_option_hold_id": "<service_option_hold_id>",
"location_code": "<location_code>",
"locale": "en-US",
"first_name": "Kamal",
"last_name": "Singh",
"user_phone": "800-555-0101",
"initial_tip_cents": 200,
"items_count": 12,
"bags_count": 3,
"items_weight": 15,
"cart_total": 5400,
"alcoholic": false,
"leave_unattended": true,
"special_instructions": "Ring the doorbell.",
"address": {
"address_line_1": "50 Beale St",
"postal_code": "94105"
}
}
"""
RESPONSE = """
{
"id": "xyz123456",
"status": "created",
"fulfillment_details": {
"store_location": "1003",
"window_starts_at": "2022-06-04T11:00:00Z",
"window_ends_at": "2022-06-04T12:00:00Z"
}
}
"""
BRAND_NEW = """
{
"id": "xyz123456",
"status": "brand_new",
"order_url": "https://<instacart_development_domain>/s/dWl2N3U1d203",
"created_at": "2021-06-22T20:57:22Z",
"cancellation_reason": "",
"locale": "en_US",
"is_express": true,
"is_instacartplus": true,
"fulfillment_details": {
"store_location": "<location_code>",
"window_starts_at": "2021-06-22T20:57:21Z",
"window_ends_at": "2021-06-23T01:57:21Z"
},
"is_fallback_window": false
}
"""
CLIENT_ERROR = """
{
"error": {
"message": "Required parameter missing or invalid",
"code": 1001
},
"meta": {
"key": "address"
}
}
"""

FIELDS: dict[str, Any] = json.loads(REQUEST)
