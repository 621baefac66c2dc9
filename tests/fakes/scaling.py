"""Application Auto Scaling as far as tables need it: targets with bounds, and their policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

KEY = ("ResourceId", "ScalableDimension")


class FakeScaling:
    """An Application Auto Scaling client."""

    def __init__(self) -> None:
        self.targets: dict[tuple[str, ...], dict[str, Any]] = {}
        self.policies: dict[tuple[str, ...], dict[str, Any]] = {}

    def register_scalable_target(self, **target: Any) -> None:
        assert target["ServiceNamespace"] == "dynamodb"
        self.targets[tuple(target[name] for name in KEY)] = target

    def put_scaling_policy(self, **policy: Any) -> None:
        assert tuple(policy[name] for name in KEY) in self.targets, "AWS refuses a policy of what is not registered"
        self.policies[(*(policy[name] for name in KEY), policy["PolicyName"])] = policy

    def deregister_scalable_target(self, **target: Any) -> None:
        assert target["ServiceNamespace"] == "dynamodb"
        key = tuple(target[name] for name in KEY)
        del self.targets[key]
        self.policies = {one: policy for one, policy in self.policies.items() if one[:2] != key}

    def describe_scalable_targets(self, *, ServiceNamespace: str, ResourceIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        assert ServiceNamespace == "dynamodb"
        return {"ScalableTargets": [one for key, one in self.targets.items() if key[0] in ResourceIds]}

    def describe_scaling_policies(
        self,
        *,
        ServiceNamespace: str,  # noqa: N803
        ResourceId: str,  # noqa: N803
        ScalableDimension: str,  # noqa: N803
    ) -> dict[str, Any]:
        assert ServiceNamespace == "dynamodb"
        found = [one for key, one in self.policies.items() if key[:2] == (ResourceId, ScalableDimension)]
        return {"ScalingPolicies": found}
