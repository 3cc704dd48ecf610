"""com.vmware.content.configuration: the settings of all content libraries."""

from dataclasses import dataclass

from gateway.simulator import errors
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "update"]

_SERVICE = "com.vmware.content.configuration"
_ONE_DAY, _LARGEST = 23, 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Setting:
    default: int | bool
    least: int = 1
    most: int = _LARGEST
    needs_restart: bool = False


_SETTINGS = {
    "automatic_sync_enabled": _Setting(True),
    "automatic_sync_start_hour": _Setting(20, 0, _ONE_DAY),
    "automatic_sync_stop_hour": _Setting(7, 0, _ONE_DAY),
    "maximum_concurrent_item_syncs": _Setting(5),
    "automatic_sync_refresh_interval": _Setting(240),
    "automatic_sync_setting_refresh_interval": _Setting(600, needs_restart=True),
    "transfer_throttling_bandwidth_total": _Setting(0, 0),
    "transfer_nfc_max_concurrent_transfers_per_host": _Setting(8),
    "priority_transfer_threads_pool_size": _Setting(5, needs_restart=True),
    "transfer_threads_pool_size": _Setting(20, needs_restart=True),
}


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """All settings, with their limits."""
    changed = call.inventory.libraries.configuration
    values = {name: changed.get(name, setting.default) for name, setting in _SETTINGS.items()}
    return {**values, **{f"{name}_setting": _described(name, setting) for name, setting in _SETTINGS.items()}}


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes settings, or none of them if one value is outside its limits."""
    given = {name: call.spec[name] for name in _SETTINGS if call.spec.get(name) is not None}
    for name, value in given.items():
        setting = _SETTINGS[name]
        if not isinstance(value, bool) and not setting.least <= value <= setting.most:
            text = "The setting '{0}' must be between {1} and {2}."
            message = "com.vmware.vdcs.cls-main.invalid_configuration"
            raise errors.invalid_argument(message, text, name, str(setting.least), str(setting.most))
    call.inventory.libraries.configuration.update(given)


def _described(name: str, setting: _Setting) -> dict[str, Json]:
    limits = {"MIN_INCLUSIVE": str(setting.least), "MAX_INCLUSIVE": str(setting.most)}
    is_number = not isinstance(setting.default, bool)
    return {"name": name, "reboot_required": setting.needs_restart, "constraints": [limits] if is_number else []}
