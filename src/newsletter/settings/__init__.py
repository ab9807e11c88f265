"""Typed settings: what may be set (`parts`) and how it is read (`loading`)."""

from newsletter.settings.loading import (
    ENVIRONMENT_PREFIX,
    SETTINGS_FILE,
    Settings,
    load_settings,
    read_secret_file,
)
from newsletter.settings.parts import (
    Auth,
    BrakesPart,
    DeliveryPart,
    NetworkPolicy,
    OnUnknown,
    ProviderName,
    Security,
    SendgridPart,
    SmtpPart,
    WarmUpPart,
    WebPart,
)

__all__ = [
    "ENVIRONMENT_PREFIX",
    "SETTINGS_FILE",
    "Auth",
    "BrakesPart",
    "DeliveryPart",
    "NetworkPolicy",
    "OnUnknown",
    "ProviderName",
    "Security",
    "SendgridPart",
    "Settings",
    "SmtpPart",
    "WarmUpPart",
    "WebPart",
    "load_settings",
    "read_secret_file",
]
