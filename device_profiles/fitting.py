"""Ground floor: one mapping as one site uses it: transformer ratios, and what a channel's signal stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from device_profiles.schema import DeviceModel, PayloadMapping, RegisterMapping

_M = TypeVar("_M", RegisterMapping, PayloadMapping)
Ratio = Annotated[float, Field(gt=0)]


def _from_text(value: object) -> object:
    """``equipment/point`` alone is a channel that needs no more words. Raises ValueError for anything else."""
    target = value.get("point") if isinstance(value, dict) else value
    if not isinstance(target, str) or len(target.split("/")) != 2:
        msg = f"{target!r} names no point; write equipment/point, such as fire_pump_1/running"
        raise ValueError(msg)
    return value if isinstance(value, dict) else {"point": value}


class ChannelSetting(BaseModel):
    """Which point of which equipment a channel shows, and how.

    ``signal: [4, 20]`` with ``range: [0, 5]`` says that 4 mA are 0 and 20 mA are 5, in ``unit`` or else the point's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    point: str
    signal: tuple[float, float] | None = None
    range: tuple[float, float] | None = None
    unit: str | None = None
    invert: bool = False

    @model_validator(mode="after")
    def _signal_has_a_range(self) -> Self:
        if (self.signal is None) != (self.range is None) or (self.unit is not None and self.range is None):
            msg = "signal and range belong together, and unit to them; write signal: [4, 20] and range: [0, 5]"
            raise ValueError(msg)
        if self.signal is not None and self.signal[0] == self.signal[1]:
            msg = "a signal that never changes says nothing; write its two ends, such as signal: [4, 20]"
            raise ValueError(msg)
        return self

    @property
    def target(self) -> tuple[str, str]:
        """Equipment and point."""
        equipment, _, point = self.point.partition("/")
        return equipment, point


Channel = Annotated[ChannelSetting, BeforeValidator(_from_text)]


def fitted(mapping: _M, ratios: Mapping[str, float], channel: ChannelSetting | None = None) -> _M:
    """The mapping with the device's ratios multiplied in and its channel's signal turned into what it stands for."""
    change: dict[str, Any] = {}
    factor = 1.0
    for name in mapping.ratio:
        factor *= ratios.get(name, 1.0)
    if factor != 1.0:
        change = _linear(mapping, factor, 0.0)
    if channel is not None and channel.signal is not None and channel.range is not None:
        (low_in, high_in), (low, high) = channel.signal, channel.range
        slope = (high - low) / (high_in - low_in)
        change = _linear(mapping.model_copy(update=change), slope, low - low_in * slope) | {"unit": channel.unit}
    if channel is not None and channel.invert:
        change["invert"] = not mapping.invert
    return mapping.model_copy(update=change) if change else mapping


def _linear(mapping: RegisterMapping | PayloadMapping, slope: float, shift: float) -> dict[str, Any]:
    """What changes when every value is multiplied with ``slope`` and moved by ``shift``."""
    change: dict[str, Any] = {"scale": mapping.scale * slope, "offset": mapping.offset * slope + shift}
    if mapping.plausible is not None:
        change["plausible"] = tuple(sorted(end * slope + shift for end in mapping.plausible))
    return change


def fitted_model(
    model: DeviceModel, ratios: Mapping[str, float], channels: Mapping[str, ChannelSetting]
) -> DeviceModel:
    """The model as one device of a site uses it."""
    section = "registers" if model.protocol == "modbus" else "payload"
    mappings = {name: fitted(one, ratios, channels.get(name)) for name, one in model.mappings.items()}
    return model.model_copy(update={section: mappings})
