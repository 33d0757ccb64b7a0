"""Which role each route of the admin API needs. A route that is not here is closed to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.store.records import AdminRole

__all__ = ["ROLES"]

ROLES: Final[Mapping[tuple[str, str], AdminRole]] = {
    ("GET", "/admin/status"): "viewer",
    ("GET", "/admin/topics"): "viewer",
    ("GET", "/admin/topics/{topic_id}"): "viewer",
    ("GET", "/admin/verifiers"): "viewer",
    ("GET", "/admin/backends"): "viewer",
    ("GET", "/admin/backends/{name:path}"): "viewer",
    ("GET", "/admin/keys"): "viewer",
    ("POST", "/admin/topics"): "operator",
    ("PUT", "/admin/topics/{topic_id}"): "operator",
    ("DELETE", "/admin/topics/{topic_id}"): "operator",
    ("PUT", "/admin/topics/{topic_id}/mode"): "operator",
    ("POST", "/admin/topics/{topic_id}/activate"): "operator",
    ("POST", "/admin/topics/{topic_id}/deactivate"): "operator",
    ("PUT", "/admin/verifiers/{name}/mode"): "operator",
    ("POST", "/admin/verify"): "operator",
    ("POST", "/admin/audits"): "operator",
    ("GET", "/admin/certificates"): "viewer",
    ("GET", "/admin/certificates/{certificate_id}"): "viewer",
    ("GET", "/admin/calibrations"): "viewer",
    ("GET", "/admin/calibrations/{calibration_id}"): "viewer",
    ("GET", "/admin/calibrations/{calibration_id}/events"): "viewer",
    ("POST", "/admin/calibrations"): "operator",
    ("POST", "/admin/calibrations/{calibration_id}/cancel"): "operator",
    ("POST", "/admin/deactivate-certificates"): "operator",
    ("POST", "/admin/certificates/{certificate_id}/activate"): "operator",
    ("POST", "/admin/certificates/{certificate_id}/rollback"): "operator",
    ("POST", "/admin/backends"): "admin",
    ("PUT", "/admin/backends/{name:path}"): "admin",
    ("DELETE", "/admin/backends/{name:path}"): "admin",
    ("POST", "/admin/keys"): "admin",
    ("PATCH", "/admin/keys/{name:path}"): "admin",
    ("DELETE", "/admin/keys/{name:path}"): "admin",
    ("PUT", "/admin/key-topics/{topic_id}/{name:path}"): "admin",
    ("DELETE", "/admin/key-topics/{topic_id}/{name:path}"): "admin",
    ("PUT", "/admin/key-fallbacks/{name:path}"): "admin",
    ("GET", "/admin/admins"): "admin",
    ("POST", "/admin/admins"): "admin",
    ("DELETE", "/admin/admins/{name:path}"): "admin",
}
"""By method and path. Sending conversations elsewhere, letting somebody in and exempting them is for admins."""
