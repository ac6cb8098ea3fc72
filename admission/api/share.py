"""How much of a party another one holds: exactly, as a range with closed or open ends, or not known."""

from __future__ import annotations

from typing import Annotated, Self

import pydantic

from admission.api.object import Model, rules

# Each of these is said by the CRD's own rule in a cluster, and by the model where objects come from files.
_EXACT_OR_RANGE = "give either exact, or minimum and maximum"
_ONE_LOWER = "give either minimum or exclusiveMinimum"
_ONE_UPPER = "give either maximum or exclusiveMaximum"
_MINIMUM_ABOVE = "minimum is above maximum"
_NOTHING_BETWEEN = "nothing lies between minimum and maximum"

_EXACT_ALONE = "has(self.minimum) || has(self.exclusiveMinimum) || has(self.maximum) || has(self.exclusiveMaximum)"

_ABOVE_EXCLUSIVE_MINIMUM = (
    "!has(self.exclusiveMinimum) || self.exclusiveMinimum < "
    "(has(self.maximum) ? self.maximum : has(self.exclusiveMaximum) ? self.exclusiveMaximum : 100.0)"
)
_BELOW_EXCLUSIVE_MAXIMUM = (
    "!has(self.exclusiveMaximum) || self.exclusiveMaximum > (has(self.minimum) ? self.minimum : 0.0)"
)

Percent = Annotated[float, pydantic.Field(ge=0, le=100)]


class Share(Model):
    """How much of a party another one owns, in percent; an empty share means unknown."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules(
            (f"!has(self.exact) || !({_EXACT_ALONE})", _EXACT_OR_RANGE),
            ("!has(self.minimum) || !has(self.exclusiveMinimum)", _ONE_LOWER),
            ("!has(self.maximum) || !has(self.exclusiveMaximum)", _ONE_UPPER),
            ("!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum", _MINIMUM_ABOVE),
            (_ABOVE_EXCLUSIVE_MINIMUM, _NOTHING_BETWEEN),
            (_BELOW_EXCLUSIVE_MAXIMUM, _NOTHING_BETWEEN),
        )
    )

    exact: Percent | None = None
    """The share in percent, where it is known exactly."""
    minimum: Percent | None = None
    """Lower bound in percent, itself possible; 0 where only an upper bound is known."""
    maximum: Percent | None = None
    """Upper bound in percent, itself possible; 100 where only a lower bound is known."""
    exclusive_minimum: Percent | None = None
    """Lower bound in percent which the share exceeds: 50 means more than 50."""
    exclusive_maximum: Percent | None = None
    """Upper bound in percent which the share does not reach: 50 means less than 50."""

    @pydantic.model_validator(mode="after")
    def _is_one_share(self) -> Self:
        lower, upper = (self.minimum, self.exclusive_minimum), (self.maximum, self.exclusive_maximum)
        if self.exact is not None and any(bound is not None for bound in (*lower, *upper)):
            raise ValueError(_EXACT_OR_RANGE)
        if None not in lower:
            raise ValueError(_ONE_LOWER)
        if None not in upper:
            raise ValueError(_ONE_UPPER)
        least = next((bound for bound in lower if bound is not None), 0)
        most = next((bound for bound in upper if bound is not None), 100)
        open_ended = self.exclusive_minimum is not None or self.exclusive_maximum is not None
        if open_ended and least >= most:
            raise ValueError(_NOTHING_BETWEEN)
        if least > most:
            raise ValueError(_MINIMUM_ABOVE)
        return self
